/**
 * CONFIG: what is in force on this server, and what of it can change while it runs.
 *
 * Owns GET with its patterns, SET of several at once, RESETSTAT. Leaves the parameters to configParameters.ts. REWRITE answers as a Redis without a configuration file does: this
 * server's settings come from flags, the environment and a file that people write, and `toposphere config` says which from where.
 * Invariant: a SET that is refused has changed nothing.
 */
import type { Command, CommandContext } from './command.ts';
import { argumentsFrom, argumentText, LOCAL_TO_PEER, NO_KEYS } from './command.ts';
import { CONFIG_PARAMETERS } from './configParameters.ts';
import type { ConfigParameter } from './configParameters.ts';
import { compileGlob } from './globPattern.ts';
import type { Request } from './requestParser.ts';

const ORDINARY = {
  flags: ['admin', 'noscript', 'loading', 'stale'],
  group: 'server',
  keys: NO_KEYS,
  partition: LOCAL_TO_PEER,
} as const;

export const configCommand: Command = {
  ...ORDINARY,
  name: 'config',
  arity: -2,
  syntax: '',
  summary: 'Tell and change what is in force on this server',
  subcommands: [
    {
      ...ORDINARY,
      name: 'config|get',
      arity: -3,
      syntax: 'parameter [parameter ...]',
      summary: 'Tell the parameters that match a pattern: GET pattern [pattern ...]',
      run: (context, request) => {
        writeMatching(context, argumentsFrom(request, 2));
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'config|set',
      arity: -4,
      syntax: 'parameter value [parameter value ...]',
      summary: 'Change parameters until this peer ends: SET name value [name value ...]',
      partition: 'Changes this peer alone; works the same while it is cut off.',
      run: (context, request) => {
        const problem = setAll(context, request);
        if (problem === undefined) context.reply.ok();
        else context.reply.error(problem);
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'config|resetstat',
      arity: 2,
      syntax: '',
      summary: 'Let INFO count from zero again; metrics and status go on',
      run: ({ reply, server }) => {
        server.countersAtReset = { ...server.counters };
        reply.ok();
        return undefined;
      },
    },
    {
      ...ORDINARY,
      name: 'config|rewrite',
      arity: 2,
      syntax: '',
      summary: 'Refused: this server writes no configuration file',
      run: ({ reply }) => {
        reply.error('ERR The server is running without a config file');
        return undefined;
      },
    },
  ],
};

function writeMatching({ reply, server }: CommandContext, patterns: readonly string[]): void {
  // Each once; one that is named is told by the name as it was given, as in Redis.
  const found = new Map<ConfigParameter, string>();
  for (const pattern of patterns) {
    const { isMatch } = compileGlob(pattern.toLowerCase());
    const isName = !/[*?[\\]/.test(pattern);
    for (const parameter of CONFIG_PARAMETERS)
      if (!found.has(parameter) && isMatch(parameter.name))
        found.set(parameter, isName ? pattern : parameter.name);
  }
  reply.map(found.size);
  for (const [{ read }, name] of found) {
    reply.bulkText(name);
    reply.bulkUtf8(read(server));
  }
}

/** Sets all of them; or none, and why. */
function setAll({ server }: CommandContext, request: Request): string | undefined {
  if (request.count % 2 !== 0) return 'ERR syntax error';
  const takes: (() => void)[] = [];
  const seen = new Set<string>();
  for (let index = 2; index < request.count; index += 2) {
    const given = argumentText(request, index);
    const name = given.toLowerCase();
    const parameter = CONFIG_PARAMETERS.find((known) => known.name === name);
    if (parameter === undefined)
      return `ERR Unknown option or number of arguments for CONFIG SET - '${given}'`;
    const failed = `ERR CONFIG SET failed (possibly related to argument '${given}') -`;
    if (seen.has(name)) return `${failed} duplicate parameter`;
    seen.add(name);
    if (parameter.parse === undefined) return `${failed} can't set immutable config`;
    const take = parameter.parse(server, argumentText(request, index + 1));
    if (typeof take === 'string') return `${failed} ${take}`;
    takes.push(take);
  }
  for (const take of takes) take();
  return undefined;
}
