/**
 * A copy of the build in a temporary folder, in which children run simulations.
 *
 * Owns the folder, its layout (`src/` is the build, `tools/` is what runs beside it, `node_modules` is the repository's) and
 * the way from one TypeScript file to JavaScript. Keeps: the build itself is only read, so a copy may be changed at will, and
 * who builds anew in the meantime changes nothing in a run of an hour. Code run by tsx would be half as fast.
 */
import { rmSync } from 'node:fs';
import { access, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** The repository. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** What runs in a copy beside the build, in TypeScript. */
const CHILD = 'tools/soak/trialChild.ts';

/** Copies that are there: whatever ends the process, none is left. */
const directories = new Set<string>();
process.once('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

export class BuildCopy {
  readonly directory: string;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** Copies the build. Throws when there is none. */
  static async create(): Promise<BuildCopy> {
    const build = join(ROOT, 'dist');
    await access(join(build, 'simulator/run.js')).catch(() => {
      throw new Error(`there is no build of the simulator in ${basename(build)}/: npm run build`);
    });
    return BuildCopy.#fill(async (directory) => {
      await cp(build, join(directory, 'src'), {
        recursive: true,
        filter: (path) => !path.endsWith('.d.ts') && !path.endsWith('.map') && path !== join(build, 'bin'),
      });
      await writeFile(join(directory, 'package.json'), '{ "type": "module" }\n');
      await symlink(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
      const child = join(directory, toJavaScriptName(CHILD));
      await mkdir(dirname(child), { recursive: true });
      await writeFile(child, transpile(await readFile(join(ROOT, CHILD), 'utf8'), CHILD));
    });
  }

  /** A copy of this copy. */
  clone(): Promise<BuildCopy> {
    return BuildCopy.#fill((directory) =>
      cp(this.directory, directory, { recursive: true, verbatimSymlinks: true }),
    );
  }

  /** Puts another text in the place of a file of the build. `file` is its source, for instance src/core/apply.ts. */
  async replace(file: string, text: string): Promise<void> {
    await writeFile(join(this.directory, toJavaScriptName(file)), transpile(text, file));
  }

  /** The JavaScript of a source file in this copy. */
  async read(file: string): Promise<string> {
    return readFile(join(this.directory, toJavaScriptName(file)), 'utf8');
  }

  get childPath(): string {
    return join(this.directory, toJavaScriptName(CHILD));
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
    directories.delete(this.directory);
  }

  static async #fill(fill: (directory: string) => Promise<void>): Promise<BuildCopy> {
    const copy = new BuildCopy(await mkdtemp(join(tmpdir(), 'toposphere-build-')));
    directories.add(copy.directory);
    try {
      await fill(copy.directory);
    } catch (error) {
      await copy.remove();
      throw error;
    }
    return copy;
  }
}

function toJavaScriptName(file: string): string {
  return file.replace(/\.ts$/, '.js');
}

/** One file by itself, as the build does it, without its line about a source map. Throws on a text that is no TypeScript. */
export function transpile(text: string, fileName: string): string {
  const { outputText, diagnostics = [] } = ts.transpileModule(text, {
    fileName,
    reportDiagnostics: true,
    compilerOptions: {
      target: ts.ScriptTarget.ES2023,
      // What NodeNext comes to in a package of modules; the kind of package is not seen from one file.
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      verbatimModuleSyntax: true,
      isolatedModules: true,
      rewriteRelativeImportExtensions: true,
    },
  });
  const [first] = diagnostics;
  if (first !== undefined)
    throw new Error(`${fileName}: ${ts.flattenDiagnosticMessageText(first.messageText, '\n')}`);
  return outputText;
}
