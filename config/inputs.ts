// Files that a configuration refers to: code lists and samples of tests.
import type { Code } from '../bus/codes/index.js';
import type { Check } from './check.js';
import type { Diagnostic } from './diagnostics.js';
import { type ConfigurationFiles, insidePath, readProblem } from './files.js';
import type { Path } from './tree.js';
import { decode } from './yaml.js';

/** Reads the files that others refer to, each once, and remembers their text for the revision. */
export class InputFiles {
  readonly texts = new Map<string, string>();
  readonly diagnostics: Diagnostic[] = [];
  readonly #reported = new Set<string>();

  constructor(
    private readonly check: Check,
    private readonly files: ConfigurationFiles,
  ) {}

  /** Text of the file that the value at `at` names; undefined when it cannot be read, which is then reported with `code`. */
  async text(name: string, at: Path, code: Code): Promise<{ readonly path: string; readonly text: string } | undefined> {
    const path = insidePath(name);
    if (path === undefined) {
      const help = 'move it below the directory and give the path relative to it';
      this.check.report({ severity: 'error', code: 'E123', path: at, message: `\`${name}\` is outside the configuration directory`, help });
      return undefined;
    }
    const known = this.texts.get(path);
    if (known !== undefined) return { path, text: known };
    try {
      const text = decode(path, await this.files.read(path));
      if (typeof text === 'string') {
        this.texts.set(path, text);
        return { path, text };
      }
      if (!this.#reported.has(path)) this.diagnostics.push(text);
      this.#reported.add(path);
    } catch (error) {
      this.check.report({
        severity: 'error',
        code,
        path: at,
        message: `cannot read \`${name}\`: ${readProblem(error)}`,
        help: 'the path is relative to the configuration directory',
      });
    }
    return undefined;
  }

  /** A problem inside such a file. */
  problem(diagnostic: Omit<Diagnostic, 'severity'>): void {
    this.diagnostics.push({ severity: 'error', ...diagnostic });
  }
}
