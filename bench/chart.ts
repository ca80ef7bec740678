import { writeFileSync } from "node:fs";

const [width, height, margin] = [640, 360, 56];
const colours = ["#0b6e99", "#c2410c", "#4d7c0f"];

/** Draws time by rows, one line for each number of fields, both axes logarithmic: linear growth is a slope of one. */
export function chart(
  lines: readonly {
    readonly fields: number;
    readonly points: readonly { readonly rows: number; readonly ms: number }[];
  }[],
  file: URL,
): void {
  const all = lines.flatMap(({ points }) => points.map(({ ms }) => ms));
  const [low, high] = [10 ** Math.floor(Math.log10(Math.min(...all))), 10 ** Math.ceil(Math.log10(Math.max(...all)))];
  const x = (rows: number) => margin + (Math.log10(rows) / 2) * (width - 2 * margin);
  const y = (ms: number) => height - margin - (Math.log10(ms / low) / Math.log10(high / low)) * (height - 2 * margin);
  const text = (at: readonly [number, number], words: string, more = "") =>
    `<text x="${round(at[0])}" y="${round(at[1])}" ${more}>${words}</text>`;
  const decades = Array.from({ length: Math.round(Math.log10(high / low)) + 1 }, (_, index) => low * 10 ** index);
  const grid = [
    ...decades.flatMap((ms) => [
      `<path class="grid" d="M${margin} ${round(y(ms))}H${width - margin}"/>`,
      text([margin - 8, y(ms) + 4], `${ms} ms`, 'text-anchor="end"'),
    ]),
    ...[1, 10, 100].map((rows) =>
      text([x(rows), height - margin + 20], `${rows} row${rows === 1 ? "" : "s"}`, 'text-anchor="middle"'),
    ),
  ];
  const drawn = lines.flatMap(({ fields, points }, index) => {
    const colour = colours[index % colours.length];
    const path = points.map(({ rows, ms }, at) => `${at === 0 ? "M" : "L"}${round(x(rows))} ${round(y(ms))}`).join("");
    const last = points.at(-1);
    return [
      `<path fill="none" stroke="${colour}" stroke-width="2" d="${path}"/>`,
      ...points.map(({ rows, ms }) => `<circle cx="${round(x(rows))}" cy="${round(y(ms))}" r="3.5" fill="${colour}"/>`),
      ...(last
        ? [
            text(
              [x(last.rows) - 8, y(last.ms) - 8],
              `${fields} field${fields === 1 ? "" : "s"}`,
              `text-anchor="end" fill="${colour}"`,
            ),
          ]
        : []),
    ];
  });
  const style = "text{font:13px system-ui,sans-serif;fill:#444}.grid{stroke:#ddd}";
  const svg = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">`,
    "<title>Time of one answer by rows, for 1, 10 and 100 fields of each row</title>",
    `<style>${style}</style><rect width="100%" height="100%" fill="#fff"/>`,
    ...grid,
    ...drawn,
    "</svg>",
    "",
  ];
  writeFileSync(file, svg.join("\n"));
}

function round(value: number): string {
  return value.toFixed(1);
}
