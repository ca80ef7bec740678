/**
 * The longest turn of the event loop while something is done, in milliseconds of this thread's processor time: what other
 * processes do to the machine meanwhile does not count. It watches by taking every turn there is.
 */
export async function longestTurn(run: () => unknown): Promise<number> {
  let longest = 0;
  let isOver = false;
  let before = process.threadCpuUsage();
  const look = () => {
    const { user, system } = process.threadCpuUsage(before);
    longest = Math.max(longest, (user + system) / 1000);
    before = process.threadCpuUsage();
    if (!isOver) setImmediate(look);
  };
  await new Promise((resolve) => setImmediate(resolve));
  before = process.threadCpuUsage();
  setImmediate(look);
  try {
    await run();
  } finally {
    isOver = true;
  }
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  return longest;
}
