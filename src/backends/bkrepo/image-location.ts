import { type ImageRef, imageRef } from "../../model/artifact.ts";
import { parseRepository, type Repository } from "./repository.ts";

/** Where in bkrepo an image reference points. */
export interface ImageLocation {
  readonly repository: Repository;
  /** Path of the image below its repository; the key is `docker://` or `oci://` before it, as the repository's type is. */
  readonly name: string;
}

/**
 * `host/project/repo/name[/more]` to its place. Null for another registry's host, for no host at all, and for fewer
 * than three path segments, which bkrepo cannot hold.
 */
export function locateImage(ref: ImageRef, hosts: readonly string[]): ImageLocation | null {
  if (ref.registry === null || !hosts.includes(ref.registry)) return null;
  const [project, repo, ...name] = ref.repository.split("/");
  if (project === undefined || repo === undefined || name.length === 0) return null;
  const repository = parseRepository(`${fromAlias(project)}/${fromAlias(repo)}`);
  return repository === null ? null : { repository, name: name.join("/") };
}

/** The reference of an image in bkrepo; without a configured host it names none. */
export function referTo(
  { repository, name }: ImageLocation,
  host: string | null,
  rest: Pick<ImageRef, "tag" | "digest">,
): ImageRef {
  const path = `${toAlias(repository.project)}/${toAlias(repository.name)}/${name}`;
  return imageRef({ registry: host, repository: path, ...rest });
}

/**
 * Docker refuses path segments that start with `_`, so servers since 2026-04 write such projects and repositories as
 * `x0` and the hex of their bytes. Any other name is its own alias.
 */
export function toAlias(name: string): string {
  return name.startsWith("_") ? `x0${Buffer.from(name, "utf8").toString("hex")}` : name;
}

/** Reads {@link toAlias}; what does not decode to something starting with `_` is a name that merely looks like an alias. */
export function fromAlias(segment: string): string {
  if (!/^x0(?:[0-9a-f]{2})+$/.test(segment)) return segment;
  const name = Buffer.from(segment.slice(2), "hex").toString("utf8");
  return name.startsWith("_") ? name : segment;
}
