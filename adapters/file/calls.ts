import { NotConnected } from '../contract/index.js';

/** Threads that file calls of the whole process share (libuv); `signalbox` starts with 16. */
const THREADS = Number(process.env['UV_THREADPOOL_SIZE'] ?? 4) || 4;

/**
 * Calls to one file system, each with a deadline. A call to a share that is gone sits in its thread until the share is back and cannot be taken out of
 * it: so one file system has only a part of the threads, and while a call hangs no other is made. The rest of the process goes on.
 */
export class Calls {
  private running = 0;
  private hanging = 0;
  private readonly waiting: (() => void)[] = [];
  private readonly most = Math.max(2, Math.floor(THREADS / 4));

  constructor(
    private readonly root: string,
    private readonly timeoutMs: number,
  ) {}

  /**
   * Not to be called within `work`. `late` gets the value when nobody waits for it any more (a handle that must be closed).
   * @throws NotConnected when there is no answer in time, the signal's reason, or what `work` throws
   */
  run<T>(signal: AbortSignal, work: () => Promise<T>, late?: (value: T) => Promise<void>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      signal.throwIfAborted();
      if (this.hanging > 0) throw this.silent();
      let [isRunning, isLeft, isHanging] = [false, false, false];
      const leave = (settle: () => void): void => {
        if (isLeft) return;
        isLeft = true;
        clearTimeout(timer);
        signal.removeEventListener('abort', abort);
        settle();
      };
      const abort = (): void => leave(() => reject(signal.reason));
      const timer = setTimeout(() => {
        isHanging = isRunning;
        if (isHanging) this.hanging++;
        leave(() => reject(this.silent()));
      }, this.timeoutMs);
      signal.addEventListener('abort', abort, { once: true });
      const over = (): void => {
        this.running--;
        if (isHanging) this.hanging--;
        this.waiting.shift()?.();
      };
      const start = (): void => {
        if (isLeft) {
          this.waiting.shift()?.();
          return;
        }
        isRunning = true;
        this.running++;
        work().then(
          (value) => {
            over();
            // Nobody is there to hear how its closing went.
            if (isLeft) void late?.(value).catch(() => undefined);
            else leave(() => resolve(value));
          },
          (error: unknown) => {
            over();
            leave(() => reject(error));
          },
        );
      };
      if (this.running < this.most) start();
      else this.waiting.push(start);
    });
  }

  private silent(): NotConnected {
    return new NotConnected('E449', `${this.root} gives no answer within ${this.timeoutMs} ms`);
  }
}
