#!/usr/bin/env node
// JavaScript, and plain enough for a Node that is too old for everything else, to which it has to say so: no syntax and
// no import that Node 12.20 lacks, nothing of the gateway before the check. It is JavaScript for another reason as
// well: Node would load what strips types, 20 MB, to read this very file.
import fs from "node:fs";
import module from "node:module";
import os from "node:os";
import process from "node:process";
import url from "node:url";
import v8 from "node:v8";
import vm from "node:vm";

// The system ends no process with the id 1 by itself: a container that is still starting ends here, with the exit code
// that a shell tells of a process that a signal ended. Once main.ts listens as well, the signal is its own.
const codes = { SIGTERM: 143, SIGINT: 130, SIGHUP: 129, SIGQUIT: 131 };
if (process.pid === 1) {
  for (const signal of ["SIGTERM", "SIGINT"]) if (hasCome(signal)) process.exit(codes[signal]);
  for (const signal of Object.keys(codes)) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(codes[signal]);
    });
  }
}

// Npm sends its signal to a shell, and a shell that waits for us does not hand it on: that shell is gone then.
if (process.env.npm_lifecycle_event === "start") {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    process.kill(process.pid, "SIGTERM");
  }, 200);
  timer.unref();
}

// A package holds JavaScript that was made from the sources, since Node strips no types below node_modules.
const sources = fs.existsSync(new URL("./main.ts", import.meta.url));
const problem = problemOfNode();
if (problem === null) {
  tuneHeap();
  keepCompiledCode();
  import(sources ? "./main.ts" : "../dist/src/main.js").catch(explain);
} else {
  refuse(problem);
}

/**
 * Whether one of these two signals came before this program began: Node handles them from its own first moment on,
 * once, and would end here if the system let it.
 */
function hasCome(signal) {
  try {
    const [, mask] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(fs.readFileSync("/proc/self/status", "latin1"));
    const place = BigInt(os.constants.signals[signal] - 1);
    return ((BigInt(`0x${mask}`) >> place) & BigInt(1)) === BigInt(0);
  } catch {
    return false;
  }
}

function problemOfNode() {
  const { engines } = JSON.parse(fs.readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  const way =
    "Start it with `npm start`, which uses the Node that `npm ci` installs where one fits, or install a newer one.";
  if (!satisfies(process.versions.node, engines.node)) {
    return `delivery-graph needs Node ${engines.node}, and this is ${process.versions.node}. ${way}`;
  }
  // Some distributions build Node without it, and NODE_OPTIONS can switch it off.
  return process.features.typescript || !sources
    ? null
    : `delivery-graph needs a Node that strips types, and this ${process.versions.node} does not. ${way}`;
}

/** Whether a version is in a range of the form `^22.19.0 || >=26.0.0`; knows these two signs and no others. */
function satisfies(version, range) {
  const [major, minor, patch] = numbersIn(version);
  return range.split("||").some((part) => {
    const [fromMajor, fromMinor, fromPatch] = numbersIn(part);
    if (major !== fromMajor) return part.indexOf("^") < 0 && major > fromMajor;
    return minor > fromMinor || (minor === fromMinor && patch >= fromPatch);
  });
}

function numbersIn(version) {
  return version.match(/\d+/g).slice(0, 3).map(Number);
}

/**
 * The heap grows by 70 % between collections instead of to several times its size, and main.ts gets a function that
 * collects garbage. Both flags are read when they are wanted, so that they may be set here and need no command line.
 */
function tuneHeap() {
  v8.setFlagsFromString("--heap-growing-percent=70");
  v8.setFlagsFromString("--expose-gc");
  if (globalThis.gc === undefined) globalThis.gc = vm.runInNewContext("gc");
}

/**
 * From the second start on nothing else needs what strips types either: stripped and compiled code is found where the
 * first one left it. The folder belongs to the owner of the code (in a shared one, others could leave code for us);
 * where it cannot be written to, every start is a first.
 */
function keepCompiledCode() {
  module.enableCompileCache(url.fileURLToPath(new URL("../node_modules/.cache/delivery-graph", import.meta.url)));
}

function explain(error) {
  if (error.code !== "ERR_MODULE_NOT_FOUND" || !/Cannot find package/.test(error.message)) throw error;
  refuse("Packages are missing: run `npm ci` first.");
}

function refuse(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exitCode = 1;
}
