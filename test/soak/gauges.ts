// What the process under test uses: memory and its trend, open files, sockets, the delay of its event loop.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface Gauges {
  readonly megabytes: number;
  readonly files: number;
  readonly sockets: number;
  /** 99th percentile since the process was started, in ms; undefined while it does not answer. */
  readonly loopMs: number | undefined;
}

export async function gaugesOf(pid: number, listen: string): Promise<Gauges> {
  const handles = readdirSync(`/proc/${pid}/fd`).map((fd) => linkOf(`/proc/${pid}/fd/${fd}`));
  const megabytes = Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  return { megabytes, files: handles.length, sockets: handles.filter((target) => target.startsWith('socket:')).length, loopMs: await loopDelay(listen) };
}

/** Trend of one process's memory by least squares. */
export class Trend {
  private points: { readonly hours: number; readonly megabytes: number }[] = [];

  /** A new process, or the end of the time in which it fills its caches. */
  restart(): void {
    this.points = [];
  }

  add(hours: number, megabytes: number): void {
    this.points.push({ hours, megabytes });
  }

  /** Of the time it is about. */
  get hours(): number {
    return (this.points.at(-1)?.hours ?? 0) - (this.points[0]?.hours ?? 0);
  }

  /** MB per hour; undefined with fewer than three points. */
  get slope(): number | undefined {
    const { length } = this.points;
    if (length < 3) return undefined;
    const mean = (of: 'hours' | 'megabytes'): number => this.points.reduce((sum, point) => sum + point[of], 0) / length;
    const [x, y] = [mean('hours'), mean('megabytes')];
    const covariance = this.points.reduce((sum, point) => sum + (point.hours - x) * (point.megabytes - y), 0);
    const variance = this.points.reduce((sum, point) => sum + (point.hours - x) ** 2, 0);
    return variance === 0 ? undefined : covariance / variance;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return ''; // closed meanwhile
  }
}

async function loopDelay(listen: string): Promise<number | undefined> {
  try {
    const page = await (await fetch(`http://${listen}/metrics`, { signal: AbortSignal.timeout(5_000) })).text();
    const delay = /^nodejs_eventloop_lag_p99_seconds (\S+)$/m.exec(page)?.[1];
    return delay === undefined ? undefined : Number(delay) * 1000;
  } catch {
    return undefined; // it is being started, or a fault keeps it from answering
  }
}
