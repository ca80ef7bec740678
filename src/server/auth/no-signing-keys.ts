/** Nobody can be told from anybody else: the issuer's keys could not be read, and there are no earlier ones. */
export class NoSigningKeys extends Error {
  override readonly name = "NoSigningKeys";
}
