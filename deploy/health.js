// Exits with 0 where the gateway of this container answers at /ready, else with 1: an image without a shell has no curl.
const { PORT: port = "4000", BASE_PATH: path = "" } = process.env;

try {
  const answer = await fetch(`http://127.0.0.1:${port}${path}/ready`, { signal: AbortSignal.timeout(2500) });
  process.exitCode = answer.ok ? 0 : 1;
} catch {
  process.exitCode = 1;
}
