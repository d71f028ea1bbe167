/**
 * Reply by reply against redis-server itself: the same bytes in, the same bytes out, unless said here.
 *
 * Runs when redis-server is installed; says why when it does not. The server is our own child on a port of 127.0.0.1.
 */
import { equal } from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compileGlob } from '../../src/server/globPattern.ts';
import type { RedisServer } from '../../src/server/server.ts';
import { startRedisServer } from '../../src/server/server.ts';
import { findPeerPorts } from '../ports.ts';
import { createRandom } from './mutation.ts';
import { createMapBackend } from './mapBackend.ts';
import { encode, openRawClient } from './rawClient.ts';

/** Every row that names keys, with the words that change what is done to them. */
const KEYED =
  'set a 1,set a 1 ex 9 GET,set get get,get a,del a b,unlink a,exists a b,touch a,mget a b,mset a 1 b 2,mset a 1 b,type a,setnx a 1,msetnx a 1 b 2,getset a 1,getdel a,append a 1,strlen a,incr a,decr a,incrby a 1,decrby a 1,incrbyfloat a 1,getrange a 0 1,substr a 0 1,setrange a 0 1,rename a b,renamenx a b,copy a b,expire a 1,pexpire a 1,expireat a 1,pexpireat a 1,ttl a,pttl a,expiretime a,pexpiretime a,setex a 1 1,psetex a 1 1,persist a,getex a,object encoding a,object freq a,memory usage a,watch a b,move a 0';
const KEYS_AND_FLAGS = KEYED.split(',').map((words) => `COMMAND GETKEYSANDFLAGS ${words}\r\n`);

/** Each is sent on a connection of its own and ends it, so that the whole conversation can be compared. */
const CONVERSATIONS: readonly string[] = [
  'PING\r\nPING hello\r\nping a b\r\nECHO x\r\nECHO\r\nQUIT\r\n',
  'SET a 1\r\nGET a\r\nGET none\r\nGET\r\nGET a b\r\nSET a\r\nSET a b FOO\r\nset a b EX\r\nQUIT\r\n',
  'MSET a 1 b 2\r\nMGET a b none\r\nMSET a\r\nMSET a b c\r\nMGET\r\nEXISTS a a none\r\nDEL a a none\r\nDEL\r\nQUIT\r\n',
  'SET t x\r\nTYPE t\r\nTYPE none\r\nDEL t b\r\nDBSIZE\r\nDBSIZE x\r\nTYPE\r\nQUIT\r\n',
  'WAIT 0 9223372036854775807\r\nWAIT 0 9223372036854775808\r\nWAIT 1 -9223372036854775808\r\nWAIT 1 -1\r\nWAIT 1 x\r\nWAIT x 1\r\nWAIT 1\r\nQUIT\r\n',
  // Times that are far away, or past: what is left of them is the same for a second.
  'SET a 1 EX 1000\r\nTTL a\r\nSET a 2 KEEPTTL\r\nTTL a\r\nSET a 3\r\nTTL a\r\nPTTL a\r\nTTL none\r\nPTTL none\r\nSET a 1 PX 1000000\r\nTTL a\r\nSET a 1 EXAT 3600000000\r\nEXPIRETIME a\r\nPEXPIRETIME a\r\nSET a 1 PXAT 3600000000123\r\nPEXPIRETIME a\r\nEXPIRETIME a\r\nEXPIRETIME none\r\nPEXPIRETIME none\r\nPERSIST a\r\nPERSIST a\r\nPERSIST none\r\nEXPIRETIME a\r\nPEXPIRETIME a\r\nDEL a\r\nQUIT\r\n',
  'SET a 1 EX\r\nSET a 1 EX 0\r\nSET a 1 EX -1\r\nSET a 1 EX x\r\nSET a 1 EX 10 PX 10\r\nSET a 1 EX 10 KEEPTTL\r\nSET a 1 KEEPTTL EX 10\r\nSET a 1 EX 9223372036854775807\r\nSET a 1 PX 99999999999999999999\r\nGET a\r\nSET a 1 exat 1\r\nGET a\r\nTTL a\r\nset a 1 ex 1000\r\nttl a\r\nTTL\r\nTTL a b\r\nDEL a\r\nQUIT\r\n',
  'SET a 1\r\nEXPIRE a 1000\r\nTTL a\r\nEXPIRE a 2000 NX\r\nEXPIRE a 2000 LT\r\nEXPIRE a 2000 GT\r\nTTL a\r\nEXPIRE a 500 XX GT\r\nEXPIRE a 500 XX LT\r\nTTL a\r\nPERSIST a\r\nEXPIRE a 10 XX\r\nEXPIRE a 10 GT\r\nEXPIRE a 700 LT\r\nTTL a\r\nEXPIRE none 10\r\nEXPIRE a\r\nEXPIRE a x\r\nEXPIRE a 10 FOO\r\nEXPIRE a 10 NX XX\r\nEXPIRE a 10 GT LT\r\nEXPIRE a 10 NX GT\r\nEXPIRE a 9223372036854775807\r\nEXPIRE a -5\r\nGET a\r\nEXPIRE a 5\r\nSET a 2\r\nPEXPIRE a 1000000\r\nTTL a\r\nEXPIREAT a 3600000000\r\nEXPIRETIME a\r\nPEXPIREAT a 3600000000123\r\nPEXPIRETIME a\r\nEXPIREAT a 1\r\nEXISTS a\r\nQUIT\r\n',
  'SET a 1\r\nGETEX a\r\nTTL a\r\nGETEX a EX 1000\r\nTTL a\r\nGETEX a\r\nTTL a\r\nGETEX a PERSIST\r\nTTL a\r\nGETEX a PX 1000000\r\nTTL a\r\nGETEX a EXAT 3600000000\r\nEXPIRETIME a\r\nGETEX a PXAT 3600000000123\r\nPEXPIRETIME a\r\nGETEX none EX 5\r\nGETEX a EX\r\nGETEX a EX 0\r\nGETEX a FOO\r\nGETEX a EX 5 PX 5\r\nGETEX a PERSIST EX 5\r\nGETEX a KEEPTTL\r\nGETEX a EXAT 1\r\nGET a\r\nSETEX a 1000 v\r\nTTL a\r\nPSETEX a 1000000 w\r\nTTL a\r\nGET a\r\nSETEX a 0 v\r\nSETEX a x v\r\nSETEX a 1\r\nPSETEX a -1 v\r\nDEL a\r\nQUIT\r\n',
  'SET a 1\r\nEXPIRE a 10 __proto__\r\nEXPIRE a 10 constructor\r\nSET a 1 constructor 5\r\nSET a 1 __proto__ 5\r\nGETEX a __proto__ 5\r\nGETEX a constructor\r\nSET a 1 EX abc FOO\r\nSET a 1 EX 5 FOO\r\nGET a\r\nTTL a\r\nEXPIRE a -9999999999999\r\nGET a\r\nQUIT\r\n',
  'SET c 1 NX\r\nSET c 2 NX\r\nGET c\r\nSET c 3 XX\r\nGET c\r\nSET n 1 XX\r\nGET n\r\nset c 4 nx get\r\nSET c 5 XX GET\r\nSET n 6 XX GET\r\nSET n 7 NX GET\r\nGET n\r\nSET c 8 GET\r\nSET c 9 GET EX 1000\r\nTTL c\r\nSET c 10 KEEPTTL GET XX\r\nTTL c\r\nSET c 11 NX EX 10\r\nTTL c\r\nSET c 12 XX\r\nTTL c\r\nSET n 1 EXAT 1 XX GET\r\nGET n\r\nDEL c n\r\nQUIT\r\n',
  'SET c 1 NX XX\r\nSET c 1 XX NX\r\nSET c 1 NX NX\r\nSET c 2 XX XX GET GET\r\nSET c 1 GET FOO\r\nSET c 1 NX EX\r\nSET c 1 NX EX x\r\nSET c 1 NX EX 0\r\nSET c 1 NX XX EX 0\r\nSET c 1 EX 10 EX 2000\r\nTTL c\r\nSET c 1 EX 10 NX PX 10\r\nSET c 1 KEEPTTL NX EX 10\r\nSET c 1 EX 10 GET KEEPTTL\r\nSET c 1 KEEPTTL KEEPTTL\r\nTTL c\r\nSET c 1 GET EX NX\r\nSET none 1 GET EX 0\r\nGET none\r\nDEL c\r\nQUIT\r\n',
  'SETNX s 1\r\nSETNX s 2\r\nGET s\r\nSETNX s\r\nSETNX s 1 2\r\nMSETNX s 1 t 2\r\nEXISTS t\r\nMSETNX t 1 u 2 t 3\r\nMGET t u\r\nMSETNX a\r\nMSETNX a 1 b\r\nDEL s t u\r\nQUIT\r\n',
  'GETSET g 1\r\nGETSET g 2\r\nEXPIRE g 1000\r\nGETSET g 3\r\nTTL g\r\nGETSET g\r\nGETDEL g\r\nGETDEL g\r\nEXISTS g\r\nGETDEL\r\nGETDEL g h\r\nSTRLEN g\r\nSTRLEN\r\nSTRLEN g h\r\nQUIT\r\n',
  'APPEND p ab\r\nAPPEND p c\r\nGET p\r\nEXPIRE p 1000\r\nAPPEND p ""\r\nAPPEND p "\\x00\\xff"\r\nTTL p\r\nSTRLEN p\r\nGET p\r\nAPPEND p\r\nAPPEND p a b\r\nAPPEND none ""\r\nEXISTS none\r\nDEL p none\r\nQUIT\r\n',
  'SETRANGE r 3 ab\r\nGET r\r\nSETRANGE r 0 ""\r\nSETRANGE none 5 ""\r\nEXISTS none\r\nEXPIRE r 1000\r\nSETRANGE r 1 xyz\r\nTTL r\r\nGET r\r\nSETRANGE r -1 a\r\nSETRANGE r x a\r\nSETRANGE r 536870912 a\r\nSETRANGE r 9223372036854775807 a\r\nSETRANGE r 9223372036854775807 ""\r\nSETRANGE r 9223372036854775808 a\r\nSETRANGE r 1\r\nGETRANGE r 1 2\r\nGETRANGE r 0 -1\r\nGETRANGE r -3 -2\r\nGETRANGE r -2 -3\r\nGETRANGE r 4 2\r\nGETRANGE r -100 100\r\nGETRANGE r -100 -50\r\nGETRANGE r 0 -100\r\nGETRANGE r -9223372036854775808 9223372036854775807\r\nGETRANGE r 5 9\r\nGETRANGE r x 1\r\nGETRANGE none 1 x\r\nGETRANGE none 0 -1\r\nSUBSTR r 1 2\r\nSUBSTR r 1\r\nDEL r\r\nQUIT\r\n',
  'SET a 1 EX 1000\r\nRENAME a b\r\nTTL b\r\nEXISTS a\r\nRENAME a b\r\nRENAME b b\r\nRENAMENX b b\r\nRENAMENX none none\r\nSET c 2\r\nRENAMENX b c\r\nRENAME c b\r\nTTL b\r\nRENAMENX b d\r\nMGET a b c d\r\nRENAME d\r\nRENAMENX d e f\r\nDEL d\r\nQUIT\r\n',
  'SET a 1 EX 1000\r\nCOPY a b\r\nTTL b\r\nCOPY a b\r\nSET a 2\r\nCOPY a b REPLACE\r\nGET b\r\nTTL b\r\nCOPY a a\r\nCOPY a a DB 0 REPLACE\r\nCOPY none none\r\nCOPY none b REPLACE\r\nGET b\r\nCOPY a c DB 0\r\nCOPY a c DB 1\r\nCOPY a c DB x\r\nCOPY a c DB\r\nCOPY a c FOO\r\nCOPY a c REPLACE DB 99999999999\r\nCOPY a c DB -1\r\nCOPY a\r\nDEL a b c\r\nQUIT\r\n',
  'SET a 1\r\nMOVE a 0\r\nMOVE a 1\r\nMOVE a x\r\nMOVE a -1\r\nMOVE none 0\r\nMOVE a 99999999999\r\nMOVE a\r\nSWAPDB 0 0\r\nSWAPDB 0 1\r\nSWAPDB a 0\r\nSWAPDB 0 a\r\nSWAPDB 99999999999 0\r\nSWAPDB 0\r\nSELECT 1\r\nSELECT 99999999999\r\nGET a\r\nDEL a\r\nQUIT\r\n',
  'MSET a 1 b 2 c 3\r\nTOUCH a b none a\r\nTOUCH\r\nUNLINK a none a\r\nUNLINK\r\nDBSIZE\r\nRANDOMKEY x\r\nDEL b\r\nRANDOMKEY\r\nFLUSHDB FOO\r\nFLUSHALL ASYNC SYNC\r\nFLUSHALL async\r\nRANDOMKEY\r\nDBSIZE\r\nSET a 1\r\nFLUSHDB SYNC\r\nFLUSHDB\r\nGET a\r\nQUIT\r\n',
  `MSET i 10000 j -9223372036854775808 k 9223372036854775808 l 007 m ${'x'.repeat(44)} n ${'x'.repeat(45)}\r\nOBJECT ENCODING i\r\nOBJECT ENCODING j\r\nOBJECT ENCODING k\r\nOBJECT ENCODING l\r\nOBJECT ENCODING m\r\nobject encoding n\r\nOBJECT ENCODING none\r\nOBJECT REFCOUNT i\r\nOBJECT REFCOUNT none\r\nOBJECT IDLETIME none\r\nOBJECT FREQ none\r\nOBJECT FREQ i\r\nOBJECT ENCODING\r\nOBJECT FOO i\r\nOBJECT\r\nMEMORY USAGE none\r\nMEMORY USAGE i FOO\r\nMEMORY USAGE i SAMPLES\r\nMEMORY USAGE i SAMPLES x\r\nMEMORY USAGE i SAMPLES -1\r\nMEMORY USAGE none SAMPLES 0 SAMPLES 5\r\nMEMORY\r\nMEMORY FOO\r\nDEL i j k l m n\r\nQUIT\r\n`,
  // What npm run oracle found.
  'SET r 1\r\nGETRANGE r -9223372036854775807 -9223372036854775808\r\nGETRANGE r -9223372036854775808 -9223372036854775807\r\nDEL r\r\nGETEX none EX nan\r\nGETEX none FOO 1\r\nGETEX none EX\r\nSET a 1\r\nGETEX a EX nan\r\nEXPIRE a 100 "\\r\\n"\r\nEXPIRE a 100 "b\\x00c"\r\nEXPIRE a 100 "b\\r\\nc\\n"\r\nHELLO 2 "F\\x00x"\r\nMOVE a 9007199254740993\r\nCOPY a b DB -9007199254740993\r\nSCAN 0 COUNT 9223372036854775807\r\nSCAN 0 COUNT -9223372036854775807\r\nSCAN 0 COUNT 9223372036854775808\r\nSCAN " 0"\r\nSCAN "1\\x00" COUNT\r\nSCAN ""\r\nSCAN "0\\x00x"\r\nSCAN + COUNT\r\nSCAN -0 COUNT 10\r\nMEMORY USAGE none SAMPLES 9223372036854775807\r\nDEL a\r\nQUIT\r\n',
  'HELLO 3 FOO\r\nSETNX z 1\r\nSET z 2 NX\r\nQUIT\r\n',
  'FOO a b\r\nfoo\r\n"f\\r\\no" "a\\r\\nb"\r\n"f\\x00o" "a\\x00b" c\r\nQUIT\r\n',
  `${'F'.repeat(200)} ${'a'.repeat(100)} ${'b'.repeat(100)} c\r\nQUIT\r\n`,
  'CLIENT\r\nCLIENT FOO\r\nclient foo bar\r\nCLIENT SETNAME\r\nCLIENT SETNAME "a b"\r\nCLIENT GETNAME\r\nCLIENT SETNAME n\r\nCLIENT GETNAME\r\nCLIENT INFO x\r\nCLIENT ID x\r\nCLIENT LIST FOO\r\nQUIT\r\n',
  'CLIENT NO-EVICT maybe\r\nCLIENT NO-EVICT on\r\nCLIENT NO-EVICT\r\nRESET\r\nCLIENT GETNAME\r\nRESET x\r\nQUIT\r\n',
  'CLIENT PAUSE\r\nCLIENT PAUSE x\r\nCLIENT PAUSE -1\r\nCLIENT PAUSE x foo\r\nCLIENT PAUSE 1 foo\r\nCLIENT PAUSE 01\r\nCLIENT PAUSE 9223372036854775808\r\nclient pause 1 all x\r\nCLIENT PAUSE 0\r\nCLIENT UNPAUSE x\r\nCLIENT PAUSE 60000 write\r\nGET a\r\nMULTI\r\nCLIENT UNPAUSE\r\nEXEC\r\nMULTI\r\nSET a 1\r\nCLIENT PAUSE 20 WRITE\r\nGET a\r\nSET a 2\r\nGET a\r\nEXEC\r\nDEL a\r\nQUIT\r\n',
  'CLIENT TRACKING\r\nCLIENT TRACKING maybe\r\nCLIENT TRACKING on\r\nCLIENT TRACKING ON FOO\r\nCLIENT TRACKING maybe FOO\r\nCLIENT TRACKING ON REDIRECT\r\nCLIENT TRACKING ON REDIRECT x\r\nCLIENT TRACKING ON REDIRECT 0\r\nCLIENT TRACKING ON REDIRECT 999999\r\nCLIENT TRACKING ON PREFIX\r\nCLIENT TRACKING ON PREFIX a\r\nCLIENT TRACKING ON OPTIN OPTOUT\r\nCLIENT TRACKING ON BCAST\r\nCLIENT TRACKING OFF PREFIX a\r\nCLIENT GETREDIR\r\nCLIENT GETREDIR x\r\nQUIT\r\n',
  'CLIENT TRACKINGINFO\r\nCLIENT GETREDIR\r\nCLIENT TRACKING ON BCAST OPTIN\r\nCLIENT TRACKING ON BCAST PREFIX b PREFIX a noloop\r\nCLIENT TRACKINGINFO\r\nCLIENT TRACKING ON\r\nCLIENT TRACKING ON BCAST PREFIX ab\r\nCLIENT TRACKING ON BCAST PREFIX c\r\nCLIENT TRACKINGINFO\r\nCLIENT TRACKING ON BCAST PREFIX dd PREFIX d\r\nCLIENT TRACKING ON BCAST\r\nCLIENT TRACKINGINFO\r\nCLIENT TRACKING OFF\r\nCLIENT TRACKINGINFO\r\nCLIENT TRACKINGINFO x\r\nQUIT\r\n',
  'HELLO 3 FOO\r\nCLIENT CACHING YES\r\nCLIENT TRACKING ON\r\nCLIENT CACHING YES\r\nCLIENT CACHING NO\r\nCLIENT CACHING maybe\r\nCLIENT CACHING\r\nCLIENT TRACKING ON OPTIN\r\nCLIENT CACHING NO\r\nCLIENT CACHING YES\r\nCLIENT TRACKINGINFO\r\nGET a\r\nCLIENT TRACKINGINFO\r\nCLIENT CACHING YES\r\nFOO\r\nCLIENT TRACKINGINFO\r\nCLIENT TRACKING ON OPTOUT\r\nCLIENT TRACKING ON NOLOOP\r\nCLIENT TRACKING ON OPTOUT\r\nCLIENT CACHING YES\r\nCLIENT CACHING NO\r\nCLIENT TRACKINGINFO\r\nPING\r\nCLIENT TRACKINGINFO\r\nRESET\r\nCLIENT TRACKINGINFO\r\nQUIT\r\n',
  'SUBSCRIBE\r\nUNSUBSCRIBE\r\nUNSUBSCRIBE a b\r\nSUBSCRIBE __redis__:invalidate __redis__:invalidate\r\nGET a\r\nCLIENT ID\r\nFOO\r\nGET\r\nPING\r\nPING x\r\nPING x y\r\nUNSUBSCRIBE other\r\nGET a\r\nUNSUBSCRIBE __redis__:invalidate\r\nGET a\r\nPING\r\nSUBSCRIBE __redis__:invalidate\r\nRESET\r\nGET a\r\nQUIT\r\n',
  'HELLO 3 FOO\r\nSUBSCRIBE __redis__:invalidate\r\nQUIT\r\n',
  'SUBSCRIBE a b a\r\nPSUBSCRIBE x* x*\r\nPUBLISH a 1\r\nPUBSUB NUMPAT\r\nGET a\r\nUNSUBSCRIBE b\r\nPUNSUBSCRIBE y\r\nPING\r\nPUNSUBSCRIBE\r\nUNSUBSCRIBE\r\nUNSUBSCRIBE\r\nPUNSUBSCRIBE\r\nPUBLISH a 1\r\nPUBSUB CHANNELS\r\nPUBSUB NUMSUB a b\r\nPUBSUB NUMPAT\r\nQUIT\r\n',
  'PUBLISH a\r\nPUBLISH\r\nPUBLISH a b c\r\nPSUBSCRIBE\r\nPUBLISH "" ""\r\nPUBSUB\r\nPUBSUB FOO\r\nPUBSUB CHANNELS a b\r\nPUBSUB NUMSUB\r\nPUBSUB NUMPAT x\r\npubsub channels "[a"\r\nSUBSCRIBE ""\r\nPSUBSCRIBE ""\r\nRESET\r\nPUBSUB CHANNELS\r\nPUBSUB NUMPAT\r\nQUIT\r\n',
  'COMMAND FOO\r\nCOMMAND COUNT x\r\nCOMMAND DOCS nosuch\r\nCOMMAND INFO nosuch\r\nCOMMAND LIST x\r\nQUIT\r\n',
  'CONFIG\r\nCONFIG GET\r\nCONFIG GET nosuch\r\nCONFIG GET MAXCLIENTS\r\nCONFIG GET save\r\nCONFIG SET\r\nCONFIG SET maxclients\r\nCONFIG SET nosuch 1\r\nCONFIG SET maxclients x\r\nCONFIG SET maxclients 0\r\nCONFIG SET databases 3\r\nCONFIG SET timeout 10 Timeout 5\r\nCONFIG SET timeout 7 maxclients x\r\nCONFIG GET timeout\r\nCONFIG SET timeout 1 foo\r\nCONFIG SET timeout -1\r\nCONFIG SET TIMEOUT 100\r\nCONFIG GET timeou?\r\nCONFIG SET timeout 0 slowlog-max-len 100\r\nCONFIG GET slowlog-max-len\r\nCONFIG REWRITE\r\nCONFIG RESETSTAT\r\nCONFIG RESETSTAT x\r\nCONFIG FOO\r\nQUIT\r\n',
  'CLIENT LIST TYPE\r\nCLIENT LIST TYPE foo\r\nCLIENT LIST TYPE pubsub\r\nCLIENT LIST TYPE replica\r\nCLIENT LIST ID\r\nCLIENT LIST ID x\r\nCLIENT LIST ID 0 99999\r\nCLIENT LIST TYPE normal ID 1\r\nQUIT\r\n',
  'CLIENT KILL\r\nCLIENT KILL 1.2.3.4:5\r\nCLIENT KILL ID\r\nCLIENT KILL ID x\r\nCLIENT KILL ID 0\r\nCLIENT KILL ID 99999\r\nCLIENT KILL TYPE foo\r\nCLIENT KILL TYPE pubsub\r\nCLIENT KILL USER nosuch\r\nCLIENT KILL USER default ID 99999\r\nCLIENT KILL ADDR 1:1 SKIPME maybe\r\nCLIENT KILL FOO x\r\nCLIENT KILL ID 99999 FOO\r\nCLIENT KILL ADDR 1:1 LADDR 1:1 SKIPME no\r\nCLIENT KILL TYPE normal SKIPME no\r\nPING\r\n',
  'CLIENT REPLY\r\nCLIENT REPLY foo\r\nCLIENT REPLY ON\r\nCLIENT REPLY SKIP\r\nPING a\r\nPING b\r\nCLIENT REPLY OFF\r\nPING c\r\nSET r 1\r\nFOO\r\nCLIENT REPLY ON\r\nGET r\r\nCLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nCLIENT REPLY OFF\r\nCLIENT REPLY SKIP\r\nPING d\r\nPING e\r\nCLIENT REPLY OFF\r\nRESET\r\nPING f\r\nDEL r\r\nQUIT\r\n',
  'SLOWLOG\r\nSLOWLOG RESET\r\nSLOWLOG GET x\r\nSLOWLOG GET -2\r\nSLOWLOG GET 1 2\r\nSLOWLOG LEN x\r\nSLOWLOG FOO\r\nQUIT\r\n',
  `${KEYS_AND_FLAGS.join('')}QUIT\r\n`,
  'COMMAND GETKEYSANDFLAGS\r\nCOMMAND GETKEYSANDFLAGS get\r\nCOMMAND GETKEYSANDFLAGS nosuch a\r\nCOMMAND GETKEYSANDFLAGS echo a\r\nCOMMAND GETKEYSANDFLAGS set a\r\nCOMMAND GETKEYSANDFLAGS get a b\r\nQUIT\r\n',
  'LATENCY\r\nLATENCY LATEST\r\nLATENCY LATEST x\r\nLATENCY HISTORY\r\nLATENCY HISTORY x\r\nLATENCY RESET\r\nLATENCY RESET x y\r\nLATENCY DOCTOR x\r\nLATENCY FOO\r\nQUIT\r\n',
  'COMMAND GETKEYS\r\nCOMMAND GETKEYS GET\r\nCOMMAND GETKEYS FOO a\r\nCOMMAND GETKEYS ECHO a\r\nCOMMAND GETKEYS GET a\r\nCOMMAND GETKEYS MSET a 1 b 2\r\nCOMMAND GETKEYS MSET a\r\nCOMMAND GETKEYS DEL a b c\r\nCOMMAND LIST FILTERBY\r\nCOMMAND LIST FILTERBY FOO x\r\nCOMMAND LIST FILTERBY PATTERN getd*\r\nCOMMAND LIST FILTERBY ACLCAT nosuchcat\r\nCOMMAND LIST FILTERBY MODULE m\r\nCOMMAND LIST FILTERBY PATTERN a b\r\nQUIT\r\n',
  'SET a 0\r\nMULTI\r\nSET a 1\r\nGET a\r\nEXEC\r\nEXEC\r\nDISCARD\r\nMULTI x\r\nEXEC x\r\nDISCARD x\r\nMULTI\r\nEXEC\r\nMULTI\r\nSET a 2\r\nDISCARD\r\nGET a\r\nDISCARD\r\nQUIT\r\n',
  'MULTI\r\nMULTI\r\nSET a 1\r\nEXEC\r\nMULTI\r\nWATCH a\r\nSET a 1\r\nEXEC\r\nMULTI\r\nMULTI x\r\nSET a 1\r\nEXEC\r\nMULTI\r\nEXEC x\r\nPING\r\nEXEC\r\nMULTI\r\nDISCARD x\r\nPING\r\nEXEC\r\nMULTI\r\nRESET x\r\nEXEC\r\nQUIT\r\n',
  'MULTI\r\nSET a\r\nGET a\r\nEXEC\r\nMULTI\r\nFOO\r\nEXEC\r\nMULTI\r\nCLIENT FOO\r\nPING\r\nEXEC\r\nMULTI\r\nGET a\r\nSET a x EX foo\r\nAPPEND a b\r\nMSET a 1 b\r\nDEL a\r\nEXEC\r\nQUIT\r\n',
  'WATCH\r\nWATCH a b\r\nSET a 5\r\nMULTI\r\nGET a\r\nEXEC\r\nWATCH a\r\nSET a 6\r\nUNWATCH\r\nMULTI\r\nGET a\r\nEXEC\r\nUNWATCH x\r\nWATCH a\r\nSET a 5\r\nMULTI\r\nFOO\r\nEXEC\r\nMULTI\r\nGET a\r\nEXEC\r\nWATCH a\r\nSET a 5\r\nMULTI\r\nUNWATCH\r\nGET a\r\nEXEC\r\nQUIT\r\n',
  'WATCH a\r\nDEL a\r\nMULTI\r\nPING\r\nEXEC\r\nWATCH a\r\nSET a 1\r\nDEL a\r\nMULTI\r\nPING\r\nEXEC\r\nSET a 1\r\nWATCH a a\r\nEXPIRE a 1000\r\nMULTI\r\nPING\r\nEXEC\r\nWATCH a\r\nPERSIST a\r\nMULTI\r\nPING\r\nEXEC\r\nWATCH a\r\nSETNX a 5\r\nGET a\r\nMULTI\r\nPING\r\nEXEC\r\nWATCH a\r\nSET a 1\r\nMULTI\r\nPING\r\nDISCARD\r\nMULTI\r\nPING\r\nEXEC\r\nWATCH none\r\nWATCH a\r\nMULTI\r\nSET a 3\r\nSET none 1\r\nEXEC\r\nDEL a none\r\nQUIT\r\n',
  'MULTI\r\nPING\r\nHELLO 4\r\nHELLO 3 FOO\r\nWATCH a\r\nRESET\r\nEXEC\r\nMULTI\r\nGET a\r\nQUIT\r\n',
  'MULTI\r\nSET a 1\r\nCLIENT SETNAME x\r\nCLIENT GETNAME\r\nSELECT 0\r\nECHO hi\r\nQUIT now\r\nEXEC\r\n',
  'HELLO 3 FOO\r\nWATCH a\r\nSET a 5\r\nMULTI\r\nGET a\r\nEXEC\r\nMULTI\r\nEXEC\r\nQUIT\r\n',
  'SELECT 0\r\nSELECT a\r\nSELECT 100\r\nSELECT -1\r\nSELECT\r\nQUIT\r\n',
  'AUTH\r\nAUTH x\r\nAUTH a b c\r\nQUIT\r\n',
  'HELLO 4\r\nHELLO x\r\nHELLO 2 FOO\r\nHELLO 2 SETNAME\r\nHELLO 2 SETNAME "a b"\r\nHELLO 3 AUTH a\r\nQUIT\r\n',
  'SCAN\r\nSCAN x\r\nSCAN 0 COUNT\r\nSCAN 0 COUNT 0\r\nSCAN 0 COUNT x\r\nSCAN 0 TYPE foo\r\nSET a 1\r\nSCAN 0 TYPE ""\r\nSCAN 0 TYPE STRING\r\nDEL a\r\nSCAN 18446744073709551616\r\nSCAN 0 FOO x\r\nKEYS\r\nKEYS nosuch*\r\nQUIT\r\n',
  'INFO foo\r\nINFO foo bar\r\nQUIT\r\n',
  'HELLO 3 FOO\r\nGET none\r\nQUIT now\r\nPING\r\n',
  '*1\r\n!3\r\n',
  '*1\r\n$-1\r\n',
  '*1\r\n$4x\r\n',
  '*1\r\n$600000000\r\n',
  '*a\r\n',
  '*01\r\n',
  '*2147483648\r\n',
  '*-1\r\n*0\r\n\r\nPING\r\nQUIT\r\n',
  '*1\r\n$4\r\nPINGxx*1\r\n$4\r\nQUITyy',
  'GET "a\r\n',
  'ECHO \'a\\\'b\' \r\nECHO "\\x41\\n\\q"\r\nECHO a"b c"\r\nQUIT\r\n',
  'POST / \r\nPING\r\n',
  'Host: box\r\nPING\r\n',
  'GET / HTTP/1.1\r\nHost: x\r\nPING\r\n',
  encode('QUIT').toString(),
];

const PASSWORD = 'correct-horse';

/** The same with a password on both sides. */
const AUTHENTICATIONS: readonly string[] = [
  'GET a\r\nPING\r\nSET a 1\r\nCLIENT ID\r\nCLIENT SETNAME x\r\nCOMMAND COUNT\r\nINFO\r\nSELECT 0\r\nECHO x\r\nQUIT\r\n',
  // Known by name and arity before it is asked who speaks.
  'FOO a\r\nGET\r\nCLIENT FOO\r\nCLIENT HELP\r\nCLIENT\r\nQUIT now\r\n',
  `AUTH wrong\r\nGET a\r\nAUTH ${PASSWORD}\r\nGET a\r\nAUTH wrong\r\nGET a\r\nQUIT\r\n`,
  `AUTH default wrong\r\nAUTH other ${PASSWORD}\r\nAUTH Default ${PASSWORD}\r\nGET a\r\nAUTH default ${PASSWORD}\r\nGET a\r\nQUIT\r\n`,
  `AUTH\r\nAUTH a b c\r\nAUTH ""\r\nAUTH default ""\r\nAUTH ${PASSWORD}x\r\nAUTH ${PASSWORD.slice(1)}\r\nauth ${PASSWORD}\r\nGET a\r\nQUIT\r\n`,
  `AUTH ${PASSWORD}\r\nGET a\r\nRESET\r\nGET a\r\nRESET x\r\nAUTH ${PASSWORD}\r\nGET a\r\nQUIT\r\n`,
  'HELLO\r\nHELLO 2\r\nHELLO 3\r\nHELLO 4\r\nHELLO x\r\nHELLO 3 SETNAME n\r\nHELLO 3 FOO\r\nGET a\r\nQUIT\r\n',
  `HELLO 3 AUTH default wrong\r\nHELLO 3 AUTH other ${PASSWORD}\r\nHELLO 3 AUTH default\r\nHELLO 3 AUTH default wrong SETNAME "a b"\r\nHELLO 3 AUTH default wrong FOO\r\nGET none\r\nQUIT\r\n`,
  // What it is let in by is as good as AUTH, and the protocol is as it was where it is not.
  `HELLO 3 AUTH default wrong\r\nAUTH ${PASSWORD}\r\nGET none\r\nHELLO 2 AUTH default wrong\r\nGET none\r\nQUIT\r\n`,
  'POST / \r\nPING\r\n',
  '*11\r\n$4\r\nPING\r\n',
  '*2\r\n$4\r\nPING\r\n$16385\r\n',
  `*2\r\n$4\r\nAUTH\r\n$${PASSWORD.length}\r\n${PASSWORD}\r\n*12\r\n$6\r\nEXISTS\r\n${'$1\r\na\r\n'.repeat(11)}*2\r\n$3\r\nGET\r\n$20000\r\n${'k'.repeat(20_000)}\r\nQUIT\r\n`,
  `AUTH ${PASSWORD}\r\nRESET\r\n*11\r\n$4\r\nPING\r\n`,
];

describe('redis oracle', () => {
  let redis: ChildProcess | undefined;
  let redisPort = 0;
  let folder = '';
  let server: RedisServer;

  before(async function () {
    folder = await mkdtemp(join(tmpdir(), 'toposphere-oracle-'));
    [redisPort = 0] = await findPeerPorts(1);
    redis = await startOracle(redisPort, folder);
    if (redis === undefined) {
      console.log('      skipped: redis-server is not installed, so there is nothing to compare with');
      this.skip();
    }
  });

  after(async () => {
    if (redis !== undefined) {
      const ended = new Promise((resolve) => redis?.once('exit', resolve));
      redis.kill();
      await ended;
    }
    await rm(folder, { recursive: true, force: true });
  });

  beforeEach(async () => {
    server = await startRedisServer({ backend: createMapBackend(), host: '127.0.0.1', port: 0 });
    await converse(redisPort, 'FLUSHALL\r\nQUIT\r\n');
  });

  afterEach(async () => {
    await server.close();
  });

  for (const conversation of CONVERSATIONS) {
    it(`answers ${JSON.stringify(conversation.slice(0, 70))} as Redis does`, async () => {
      equal(await converse(server.port, conversation), await converse(redisPort, conversation));
    });
  }

  describe('with a password', () => {
    beforeEach(async () => {
      await server.close();
      server = await startRedisServer({
        backend: createMapBackend(),
        host: '127.0.0.1',
        port: 0,
        password: PASSWORD,
      });
      await converse(redisPort, `CONFIG SET requirepass ${PASSWORD}\r\nQUIT\r\n`);
    });

    afterEach(async () => {
      await converse(redisPort, `AUTH ${PASSWORD}\r\nCONFIG SET requirepass ""\r\nQUIT\r\n`);
    });

    for (const conversation of AUTHENTICATIONS) {
      it(`answers ${JSON.stringify(conversation.slice(0, 70))} as Redis does`, async () => {
        equal(await converse(server.port, conversation), await converse(redisPort, conversation));
      });
    }
  });

  it('tells of GET in COMMAND INFO what Redis tells, up to the key specifications', async () => {
    for (const hello of ['', 'HELLO 3 SETNAME x\r\n']) {
      const ask = `${hello}COMMAND INFO get mset del keys dbsize\r\nQUIT\r\n`;
      const heads = async (port: number): Promise<string> =>
        (await converse(port, ask)).match(/\$\d+\r\n(?:get|mset|dbsize)\r\n:-?\d+\r\n/g)?.join('') ?? '';
      equal(await heads(server.port), await heads(redisPort));
    }
  });

  for (const seed of [1, 2, 3, 4]) {
    it(`tells clients that track of the same keys as Redis does, through made-up steps (seed ${seed})`, async function () {
      this.timeout(30_000);
      const [ours, theirs] = [await openTrackers(server.port), await openTrackers(redisPort)];
      const random = createRandom(seed);
      const key = (): string => ['a', 'b', 'user:1', 'user:2', 'x'][random(5)] ?? 'a';
      const commands: readonly (() => readonly string[])[] = [
        () => ['GET', key()],
        () => ['MGET', key(), key(), key()],
        () => ['EXISTS', key()],
        () => ['SET', key(), `${random(9)}`],
        () => ['MSET', key(), '1', key(), '2'],
        () => ['DEL', key(), key()],
        () => ['EXPIRE', key(), '1000'],
        () => ['CLIENT', 'CACHING', random(2) === 0 ? 'YES' : 'NO'],
        () => ['PING'],
        () => ['SCAN', '0', 'COUNT', '100'],
      ];
      let told = 0;
      for (let step = 0; step < 300; step += 1) {
        const [who, words] = [random(TRACKERS.length), commands[random(commands.length)]?.() ?? ['PING']];
        for (const trackers of [ours, theirs]) {
          trackers[who]?.send(encode(...words));
          await trackers[who]?.settled(); // nobody else is asked before the command was executed
        }
        for (const [index, mode] of TRACKERS.entries()) {
          const [here, there] = [await ours[index]?.toldOf(), await theirs[index]?.toldOf()];
          told += there?.length ?? 0;
          equal(
            here?.join(' '),
            there?.join(' '),
            `step ${step}: ${words.join(' ')} by ${who}, told to ${mode}`,
          );
        }
      }
      if (told < 100) throw new Error(`Redis told of ${told} keys only: nothing was compared`);
    });
  }

  it('matches 3,000 made-up patterns as Redis does', async () => {
    const random = createRandom(7);
    const alphabet = ['a', 'b', '-', ']', '[', '^', '*', '?', '\\', '\xe9'];
    const word = (length: number): string =>
      Array.from({ length }, () => alphabet[random(alphabet.length)] ?? '').join('');
    const keys = [...new Set(Array.from({ length: 60 }, () => word(1 + random(5))))].sort();
    const patterns = Array.from({ length: 3000 }, () => word(1 + random(7)));
    const requests = [
      encode('MSET', ...keys.flatMap((key) => [key, '1'])),
      ...patterns.map((pattern) => encode('KEYS', pattern)),
      encode('QUIT'),
    ];
    const answer = await converse(redisPort, Buffer.concat(requests).toString('latin1'));
    const lists = readLists(answer.slice('+OK\r\n'.length));
    for (const [index, pattern] of patterns.entries()) {
      const ours = keys.filter((key) => compileGlob(pattern).isMatch(key));
      const theirs = [...(lists[index] ?? [])].sort();
      equal(JSON.stringify(ours), JSON.stringify(theirs), `pattern ${JSON.stringify(pattern)}`);
    }
  });
});

/** Everything that is answered until the other side closes. */
async function converse(port: number, text: string): Promise<string> {
  const client = openRawClient(port);
  client.send(text);
  const answer = await client.waitForClose();
  client.destroy();
  return answer;
}

/** How each connection of one conversation tracks; '' does not. NOLOOP is left out in the default mode, where ours tells of more. */
const TRACKERS: readonly string[] = [
  '',
  'ON',
  'ON OPTIN',
  'ON OPTOUT',
  'ON BCAST',
  'ON BCAST PREFIX user: PREFIX x',
  'ON BCAST NOLOOP',
];

interface Tracker {
  readonly send: (request: Buffer) => void;
  /** Resolves when all that was sent is answered. */
  readonly settled: () => Promise<void>;
  /** The keys that it was told of since it was last asked, sorted, each once. */
  readonly toldOf: () => Promise<readonly string[]>;
}

async function openTrackers(port: number): Promise<readonly Tracker[]> {
  const trackers: Tracker[] = [];
  for (const mode of TRACKERS) {
    const client = openRawClient(port);
    let marks = 0;
    let seen = 0;
    const settled = async (): Promise<void> => {
      marks += 1;
      const mark = `mark${marks}.`;
      // Commands of CLIENT: what CLIENT CACHING said goes on to hold.
      client.send(Buffer.concat([encode('CLIENT', 'SETNAME', mark), encode('CLIENT', 'GETNAME')]));
      while (!client.received().includes(mark)) await client.waitForBytes(client.received().length + 1);
    };
    client.send(`HELLO 3\r\n${mode === '' ? '' : `CLIENT TRACKING ${mode}\r\n`}`);
    await settled();
    trackers.push({
      send: client.send,
      settled,
      toldOf: async () => {
        await settled();
        await settled(); // what is told at the end of a turn comes before what is asked in the next
        const text = client.received().slice(seen);
        seen += text.length;
        const keys = [...text.matchAll(/invalidate\r\n\*(\d+)\r\n/g)].flatMap((push) => {
          const lines = text.slice(push.index + push[0].length).split('\r\n', 2 * Number(push[1]));
          return lines.filter((_, index) => index % 2 === 1);
        });
        return [...new Set(keys)].sort();
      },
    });
  }
  return trackers;
}

function readLists(answer: string): string[][] {
  const lists: string[][] = [];
  let at = 0;
  const line = (): string => {
    const end = answer.indexOf('\r\n', at);
    const text = answer.slice(at, end);
    at = end + 2;
    return text;
  };
  while (answer[at] === '*') {
    const list: string[] = [];
    for (let left = Number(line().slice(1)); left > 0; left -= 1) {
      const length = Number(line().slice(1));
      list.push(answer.slice(at, at + length));
      at += length + 2;
    }
    lists.push(list);
  }
  return lists;
}

/** undefined when there is no redis-server to start. */
function startOracle(port: number, folder: string): Promise<ChildProcess | undefined> {
  const words = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--save',
    '',
    '--appendonly',
    'no',
    '--databases',
    '1',
    '--dir',
    folder,
  ];
  const child = spawn('redis-server', words, { stdio: ['ignore', 'pipe', 'ignore'] });
  return new Promise((resolve, reject) => {
    child.once('error', () => {
      resolve(undefined);
    });
    child.once('exit', (code) => {
      reject(new Error(`redis-server ended with ${code ?? 'a signal'}`));
    });
    child.stdout.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('Ready to accept connections')) {
        child.removeAllListeners('exit');
        resolve(child);
      }
    });
  });
}
