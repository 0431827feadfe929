// What somebody has in hand and pastes into an empty page, when it is no policy.
import type { RequestSpec } from "../engine/client.ts";
import { curl } from "./curl.ts";
import { decode } from "./jwt.ts";
import { tokenText } from "./tokentext.ts";

/** What a pasted text is: a request of curl, a token, something for the import, or a line that Envoy wrote. */
export type Arrival =
  | { kind: "request"; request: RequestSpec; said: string }
  | { kind: "token"; token: string }
  | { kind: "import" }
  | { kind: "line"; said: string };

/** `null`: a text for the editor, as policies are. */
export function arrival(text: string): Arrival | null {
  const trimmed = text.trim();
  if (/^(?:\$\s*)?(?:sudo\s+)?(?:kubectl\s+exec\s.*?--\s+)?curl\s/s.test(trimmed)) {
    const read = curl(trimmed);
    return read && { kind: "request", ...read };
  }
  const token = tokenText(trimmed);
  if (token.split(".").length === 3 && typeof decode(token) !== "string") return { kind: "token", token };
  const line = envoySaid(trimmed);
  if (line) return { kind: "line", said: line };
  // A proxy's configuration, or a suite; policies in JSON stay a text.
  if (/^[[{]/.test(trimmed) && !/"kind"\s*:/.test(trimmed.slice(0, 2000)) && /"(?:configs|filterChains|filter_chains|typedConfig|typed_config|@type)"\s*:/.test(trimmed)) return { kind: "import" };
  if (/^tests:/m.test(trimmed) && !/^kind:/m.test(trimmed)) return { kind: "import" };
  if (/^\s*"?kind"?\s*:\s*"?List"?/m.test(trimmed) && /^\s*-?\s*"?items"?\s*:/m.test(trimmed)) return { kind: "import" };
  return null;
}

/** What a line of a log or an answer says about who refused; empty where it says nothing of the kind. */
function envoySaid(text: string): string {
  if (text.length > 20_000 || /^(?:apiVersion|kind|metadata|spec)\s*:/m.test(text)) return "";
  const named = /ns\[([^\]]+)\]-policy\[([^\]]+)\]-rule\[(\d+)\]/.exec(text);
  if (/matched_policy\[none\]/.test(text) || (!named && /RBAC: access denied/.test(text))) {
    return "An ALLOW policy applies there and no rule of any matched (or a DENY rule did: only the proxy's log says which). Paste the policies of that workload, and the request.";
  }
  if (named) return `A rule of a DENY policy matched: rule ${named[3]} of ${named[2]} in the namespace ${named[1]}. Paste that policy, and the request, to see what in it matched.`;
  const jwt = /jwt_authn_access_denied\{([^}]*)\}/.exec(text)?.[1];
  if (jwt) return `A RequestAuthentication refused the token: ${jwt.replaceAll("_", " ")}. Paste it, and the token into the request's field.`;
  if (/ext_authz_(?:denied|error)|\bUAEX\b/.test(text)) return "An external authorizer of a CUSTOM policy refused, or could not be asked. The policies decide only which requests it is asked about.";
  if (/Jwt (?:is|issuer|verification|header|audience)|Audiences in Jwt|Jwks /.test(text)) return "A RequestAuthentication refused the token. Paste it, and the token into the request's field.";
  return "";
}
