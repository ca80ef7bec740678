import { checksum } from "./story.ts";
import type { EstateRelease, EstateService } from "./zadig-estate.ts";

/** Strings that the real server sends too and that must never leave the gateway. */
export const zadigSecrets = [
  "demo-secret-oauth-token",
  "demo-secret-password",
  "demo-secret-ssh-key",
  "demo-secret-access-token",
  "demo-secret-address-login",
  "demo-secret-webhook",
  "demo-secret-variable",
  "demo-secret-values-yaml",
  "demo-secret-storage-login",
  "demo-secret-docker-arg",
  "demo-secret-layer-signature",
  "demo-secret-run-password",
  "demo-secret-run-token",
  "demo-secret-activity-content",
  "demo-secret-error-login",
] as const;

/** Base64 of what the demo's Kubernetes Secret holds. */
export const manifestSecret = Buffer.from("demo-secret-in-manifest").toString("base64");
/** A JSON object on its way out. */
export type Json = Record<string, unknown>;

/** How old the server is: what it prints depends on it. */
export type ServerVersion = "1.6" | "2.2" | "3.4" | "4.1" | "4.3";

/** How Go prints an object id that was never set. */
export const noId = "000000000000000000000000";
/** A stable object id for something that exists in this estate only. */
export const rowId = (what: string) => checksum("sha256", what).slice(0, 24);

/** Leaves out what Go's `omitempty` leaves out. */
export function omitEmpty(row: Json): Json {
  return Object.fromEntries(
    Object.entries(row).filter(
      ([, value]) => value !== "" && value !== 0 && !(Array.isArray(value) && value.length === 0),
    ),
  );
}
/** An image reference before and behind its last colon. */
export function splitTag(image: string): [string, string] {
  const colon = image.lastIndexOf(":");
  return [image.slice(0, colon), image.slice(colon + 1)];
}
/** The YAML of one service as Zadig stores it, a Kubernetes Secret with it. */
export function manifestOf(release: EstateRelease, service: EstateService): string {
  return `apiVersion: v1
kind: Service
metadata:
  name: ${service.name}
  namespace: ${release.environment.namespace}
spec:
  ports:
    - port: 80
      targetPort: 8080
  selector:
    app: ${service.name}
---
apiVersion: v1
kind: Secret
metadata:
  name: ${service.name}-database
type: Opaque
data:
  password: ${manifestSecret}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: ${service.name}
  namespace: ${release.environment.namespace}
spec:
  replicas: ${release.environment.production ? 3 : 1}
  selector:
    matchLabels:
      app: ${service.name}
  template:
    metadata:
      labels:
        app: ${service.name}
    spec:
      containers:
        - name: ${service.container}
          image: ${service.deployed}
          envFrom:
            - secretRef:
                name: ${service.name}-database
`;
}
/** How far a stand-alone version has come. */
export function progress(release: EstateRelease): Json {
  const failed = release.status === "failed";
  return {
    successCount: failed ? 0 : release.services.length,
    totalCount: release.services.length,
    uploadStatus: failed ? "failed" : "success",
    error: failed ? "push to https://robot:demo-secret-error-login@swr.cn-north-4.myhuaweicloud.com failed" : "",
  };
}
