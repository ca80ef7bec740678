export { mapPage } from "../model/page.ts";
export type { UpstreamPage } from "./paging/source.ts";
export { readWindow, sliceWindow } from "./paging/window.ts";
