import { type ReactNode, Suspense } from "react";
import { RelayEnvironmentProvider } from "react-relay";
import { act, create, type ReactTestRenderer } from "react-test-renderer";
import { expect, test } from "vitest";
import { createRelayEnvironment } from "../relay/environment.ts";
import { ReleaseList } from "../relay/release-list.tsx";
import { VersionList } from "../relay/version-list.tsx";
import { expected, place, url } from "./gateway.ts";

Object.assign(globalThis, { IS_REACT_ACT_ENVIRONMENT: true });

/** Renders it, presses More until there is none, and reads the rows. */
async function rowsOf(children: ReactNode): Promise<readonly string[]> {
  let page: ReactTestRenderer | undefined;
  await act(async () => {
    page = create(
      <RelayEnvironmentProvider environment={createRelayEnvironment(url)}>
        <Suspense fallback="…">{children}</Suspense>
      </RelayEnvironmentProvider>,
    );
  });
  const root = () => page?.root;
  const settled = async (ready: () => boolean) => {
    for (let tries = 0; tries < 200 && !ready(); tries++) {
      await act(() => new Promise((resolve) => setTimeout(resolve, 20)));
    }
    expect(ready()).toBe(true);
  };
  const rows = () =>
    root()
      ?.findAllByType("li")
      .flatMap(({ children: text }) => text.map(String)) ?? [];
  await settled(() => rows().length > 0);
  for (let [more] = root()?.findAllByType("button") ?? []; more; [more] = root()?.findAllByType("button") ?? []) {
    const before = rows().length;
    const { onClick } = more.props;
    await act(async () => onClick());
    await settled(() => rows().length > before);
  }
  return rows();
}

test("usePaginationFragment pages through a list of the query", async () => {
  expect(await rowsOf(<ReleaseList project="pay" />)).toEqual((await expected()).releases);
});

test("usePaginationFragment pages through a list of a node, by node(id:)", async () => {
  const rows = await rowsOf(<VersionList place={place} />);
  expect(rows.length).toBeGreaterThan(1);
  expect(rows).toEqual((await expected()).versions);
});
