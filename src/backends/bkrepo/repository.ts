/** A bkrepo repository: repositories live in projects, and their names are unique only there. */
export interface Repository {
  readonly project: string;
  readonly name: string;
}

// The server's own rules for the two names: nothing else can exist, and nothing else may get into a path.
const projectName = /^[a-z_][\w-]{1,99}$/i;
const repositoryName = /^[a-z_][\w.-]{1,63}$/i;

/** Reads `project/repo`; null for what bkrepo could not have. */
export function parseRepository(text: string): Repository | null {
  const [project, name, ...rest] = text.split("/");
  if (project === undefined || name === undefined || rest.length > 0) return null;
  return projectName.test(project) && repositoryName.test(name) ? { project, name } : null;
}

/** Writes what {@link parseRepository} reads. */
export function printRepository({ project, name }: Repository): string {
  return `${project}/${name}`;
}

/** Whether the text names a repository as bkrepo allows. */
export function isRepository(text: string): boolean {
  return parseRepository(text) !== null;
}
