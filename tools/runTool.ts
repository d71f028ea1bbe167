/**
 * The last of every tool that starts processes: its failure in words, its exit code, and its end.
 */

/** Runs `main`; a failure is printed with the tool's name and makes the exit code 1. Ends this process. */
export async function runTool(name: string, main: () => Promise<void>): Promise<never> {
  try {
    await main();
  } catch (error) {
    process.stderr.write(
      `${name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    process.exitCode = 1;
  }
  // Connections that a failed part left open must not keep the process.
  process.exit();
}
