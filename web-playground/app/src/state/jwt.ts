import type { RequestSpec } from "../engine/client.ts";

/** A token's parts, read for people; never checked here: what counts is what the engine says. */
export interface Decoded { header: Record<string, unknown>; claims: Record<string, unknown>; signed: boolean }

function part(text: string): Record<string, unknown> {
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  const value = JSON.parse(new TextDecoder().decode(bytes)) as unknown;
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Error("no object");
  return value as Record<string, unknown>;
}

/** The parts, or what is wrong. */
export function decode(token: string): Decoded | string {
  const parts = token.split(".");
  if (parts.length !== 3) return `a token has three parts parted by dots, this has ${parts.length}`;
  try {
    return { header: part(parts[0]!), claims: part(parts[1]!), signed: parts[2] !== "" };
  } catch {
    return "its parts are not JSON in base64url";
  }
}

/** A claim that is a time, in words: `2026-01-01 00:00:00 UTC, in 3 days`. */
export function time(seconds: unknown, now: number): string {
  if (typeof seconds !== "number" || !Number.isFinite(seconds) || Math.abs(seconds) > 8e12) return "no time";
  const text = new Date(seconds * 1000).toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC");
  if (!Number.isFinite(now)) return text;
  const distance = Math.abs(seconds - now);
  const [unit, size] = ([["years", 31_557_600], ["days", 86_400], ["hours", 3600], ["minutes", 60]] as const).find(([, size]) => distance >= 2 * size) ?? ["seconds", 1];
  const count = Math.floor(distance / size);
  return `${text}, ${seconds >= now ? `in ${count} ${unit}` : `${count} ${unit} ago`}`;
}

/** The token that a request carries where most carry it. */
export function tokenOf(request: RequestSpec): string | null {
  if (request.token) return request.token;
  const header = Object.entries(request.headers ?? {}).find(([name]) => name.toLowerCase() === "authorization")?.[1];
  const line = Array.isArray(header) ? header[0] : header;
  return /^Bearer (.+)$/i.exec(line ?? "")?.[1] ?? null;
}

/** A key pair of this page, and a token signed with it. */
export interface Sample { token: string; jwks: string }

const ALGORITHMS = {
  RS256: { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" },
  ES256: { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" },
} as const;
export type SampleAlgorithm = keyof typeof ALGORITHMS;

/** Makes a key and signs the claims with it. The private key is forgotten at once. */
export async function sample(claims: Record<string, unknown>, alg: SampleAlgorithm): Promise<Sample> {
  const algorithm = ALGORITHMS[alg];
  const pair = (await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as CryptoKeyPair;
  const { kty, n, e, crv, x, y } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  const kid = base64(crypto.getRandomValues(new Uint8Array(6)));
  const key = JSON.parse(JSON.stringify({ kty, kid, alg, use: "sig", n, e, crv, x, y })) as object;
  const text = (value: unknown) => base64(new TextEncoder().encode(JSON.stringify(value)));
  const signed = `${text({ alg, typ: "JWT", kid })}.${text(claims)}`;
  const signature = await crypto.subtle.sign(algorithm, pair.privateKey, new TextEncoder().encode(signed));
  return { token: `${signed}.${base64(new Uint8Array(signature))}`, jwks: JSON.stringify({ keys: [key] }) };
}

function base64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
