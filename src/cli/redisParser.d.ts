/**
 * Types of the package redis-parser, which has none of its own: the part that connection.ts uses.
 *
 * Owns nothing at run time. Only replies of our own peers are parsed with it (it trusts its input);
 * what clients send is parsed by src/server.
 */
declare module 'redis-parser' {
  export interface RedisParserOptions {
    readonly returnReply: (reply: unknown) => void;
    /** An error reply: an Error whose message is the server's text. */
    readonly returnError: (error: Error) => void;
    /** Bytes that are not RESP; the parser starts afresh. */
    readonly returnFatalError: (error: Error) => void;
    /** Strings, simple and bulk, come as Buffers. */
    readonly returnBuffers: boolean;
  }

  export default class RedisParser {
    constructor(options: RedisParserOptions);
    execute(bytes: Buffer): void;
  }
}
