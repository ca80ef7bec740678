// The bar above GraphiQL. Runs in the browser, as a part of the page that graphiql.ts makes.
(() => {
  const storageKey = "delivery-graph:credential";
  const endpoint = new URL("graphql", location.href).href;
  const panel = document.querySelector("#key");
  const form = panel.querySelector("form");
  const field = form.querySelector("input");
  const state = panel.querySelector("[role=status]");
  const isNeeded = panel.dataset.needed !== undefined;

  let credential = sessionStorage.getItem(storageKey) ?? "";

  function show(text, isOpen) {
    state.textContent = text;
    if (isOpen) panel.open = true;
  }
  show(credential !== "" ? "in use" : isNeeded ? "needed" : "none", isNeeded && credential === "");

  // GraphiQL looks fetch up each time it asks.
  const send = window.fetch;
  window.fetch = async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input, location.href);
    if (url.origin + url.pathname !== endpoint) return send(input, init);
    const headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : undefined));
    const isOurs = credential !== "" && !headers.has("authorization");
    if (isOurs) headers.set("authorization", `Bearer ${credential}`);
    else if (isNeeded && !headers.has("authorization")) {
      show("needed", true);
      return Response.json({ errors: [{ message: "Enter a key or token first." }] }, { status: 401 });
    }
    const answer = await send(input, { ...init, headers });
    if (answer.status === 401) show(isOurs ? "refused" : "needed", true);
    else if (isOurs) show("in use", false);
    return answer;
  };

  function use(text) {
    credential = text;
    if (text === "") sessionStorage.removeItem(storageKey);
    else sessionStorage.setItem(storageKey, text);
    field.value = "";
    panel.open = false;
    show(text !== "" ? "in use" : isNeeded ? "needed" : "none", false);
    // Another caller may see another schema.
    document.querySelector('button[aria-label^="Re-fetch GraphQL schema"]')?.click();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = field.value.trim().replace(/^Bearer\s+/i, "");
    const isToken = /^[\x21-\x7e]+$/.test(text);
    field.setCustomValidity(isToken ? "" : "A key or token has no spaces and no letters beyond ASCII.");
    if (isToken) use(text);
    else field.reportValidity();
  });
  field.addEventListener("input", () => field.setCustomValidity(""));
  form.querySelector("button[type=button]").addEventListener("click", () => use(""));
})();

(() => {
  const panel = document.querySelector("#key");
  const menu = document.querySelector("#examples");

  // Opens in a tab of its own here; where GraphiQL is not there yet, the link loads the page with the query.
  menu.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    if (link === null || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const editor = window.monaco?.editor.getModels().find(({ uri }) => uri.path.endsWith("operation.graphql"));
    const newTab = document.querySelector("button.graphiql-tab-add");
    if (editor === undefined || newTab === null) return;
    event.preventDefault();
    newTab.click();
    editor.setValue(new URL(link.href).searchParams.get("query"));
    menu.open = false;
  });

  const close = (except) => {
    for (const one of [menu, panel]) if (one !== except) one.open = false;
  };
  document.addEventListener("pointerdown", ({ target }) => close(target.closest("details")));
  document.addEventListener("keydown", ({ key, target }) => {
    if (key !== "Escape") return;
    const menuOfFocus = target.closest("header details");
    close(null);
    menuOfFocus?.querySelector("summary").focus();
  });
})();
