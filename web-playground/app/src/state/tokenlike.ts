// What looks like a secret in a text, without knowing what the text is.

/** Names that mean a secret, whoever gave them: of headers, cookies, parameters. */
const SECRET = new RegExp(
  `(^|[-_.])(${[
    "authori[sz]ation", "authentication", "auth", "bearer", "credentials?", "tokens?", "jwts?", "oidc", "saml", "assertion", "secret", "pass(word|wd|phrase|code)?", "pwd", "otp",
    "cookies?", "session", "sid", "signature", "sig", "csrf", "xsrf", "(api|access|secret|private|client|subscription|functions?)[-_]?key", "apikey", "client[-_]?cert",
  ].join("|")})([-_.](id|data|token|key|code|value|hash|response|request))*([-_.]|$)`,
  "i",
);
/** Parameters that hold secrets; elsewhere these are common words. */
const SECRET_PARAMETER = /^(code|key|ticket|samlresponse|samlrequest|accesstoken|idtoken|refreshtoken|sessionid|apitoken)$/i;

/** A name that means a secret: `Set-Cookie2`, `x-api-key`, `idToken`. */
export function isSecretName(name: string): boolean {
  const words = name.trim().slice(0, 200).replaceAll(/([a-z0-9])([A-Z])/g, "$1-$2").replace(/\d+$/, "");
  return SECRET.test(words);
}

/** The text, and what it is when percent-decoded once, twice, … until nothing changes; what does not decode stays. */
export function decodings(text: string): string[] {
  const all = [text];
  for (let times = 0; times < 5; times++) {
    const next = all.at(-1)!.replaceAll(/(?:%[0-9a-f]{2})+/gi, (run) => {
      try {
        return decodeURIComponent(run);
      } catch {
        return run.replaceAll(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
      }
    });
    if (next === all.at(-1)) break;
    all.push(next);
  }
  return all;
}
/** Percent-decoded until nothing changes. */
const decoded = (text: string) => decodings(text).at(-1)!;

/** The bytes as characters; nothing where it is no base64. What is left over at the end does not count. */
export function fromBase64(text: string): string {
  const plain = text.replaceAll("-", "+").replaceAll("_", "/").replaceAll("=", "");
  try {
    return atob(plain.length % 4 === 1 ? plain.slice(0, -1) : plain);
  } catch {
    return "";
  }
}

/** A JSON object in base64 begins with one of these, whatever white space is in it. Up to four more parts follow. */
const START = /eyJ|eyA[gi]|ewo[giJK]|ew0K|ewk[giJ]/g;
const TOKEN = /[\w-]{9,}={0,2}(?:(?:\.|%(?:25)*2[eE])[\w-]*={0,2}){0,4}/y;
const DOT = /\.|%(?:25)*2e/i;
const isObject = (part: string) => /^\s*\{\s*"[ -~]{2}/.test(fromBase64(part));
const isKeySet = (part: string) => /^\s*\{\s*"keys"/.test(fromBase64(part));
function isToken(found: string): boolean {
  const parts = found.split(DOT);
  return isObject(parts[0]!) && !(parts.length === 1 && isKeySet(parts[0]!));
}

/** The text with its tokens, whole ones and beginnings of such, made others; each is looked for at every place. */
function tokensMade(text: string, other: (token: string) => string): string {
  let out = "";
  let done = 0;
  START.lastIndex = 0;
  for (let start = START.exec(text); start; start = START.exec(text)) {
    TOKEN.lastIndex = start.index;
    const found = TOKEN.exec(text)?.[0];
    if (found === undefined || !isToken(found)) {
      START.lastIndex = start.index + 1;
      continue;
    }
    out += text.slice(done, start.index) + other(found);
    done = start.index + found.length;
    START.lastIndex = done;
  }
  return out + text.slice(done);
}
function hasToken(text: string): boolean {
  let found = false;
  tokensMade(text, (token) => {
    found = true;
    return token;
  });
  return found;
}
/** Base64 in which there is such a token, at whatever place of it. */
const LONG = /[\w+/-]{20,}={0,2}/g;
const isPacked = (found: string) => [0, 1, 2, 3].some((from) => hasToken(fromBase64(found.slice(from))));

/** Something in it looks like a JSON Web Token or a part of one, percent-encoded, in base64, or broken into lines. */
export function looksLikeToken(text: string): boolean {
  return [text, decoded(text)].some((one) => {
    const joined = one.replaceAll(/\s*[\r\n]\s*/g, "");
    return hasToken(joined) || (joined.match(LONG) ?? []).some(isPacked);
  });
}

/** What holds an authentication, whatever the header is called. */
export const SCHEME = /^\s*(?:bearer|basic|token|digest|negotiate|ntlm|hoba|dpop|gnap|api-?key|aws4-hmac-sha256|scram-sha-\d+)\s+\S/i;

/** What stands between parameters, as it is and percent-encoded any number of times. */
const DELIMITER = /([?&#;\s]|%(?:25)*(?:3f|26|23|3b))/i;

/** A target, or a text with an address in it, without the values of secret parameters. */
function withoutParameters(text: string, extra: (name: string) => boolean): string {
  let out = "";
  // What ends the value that is being left out; `null`: none is.
  let end: RegExp | null = null;
  let before = "";
  for (const [index, part] of text.split(DELIMITER).entries()) {
    if (index % 2 === 1) {
      if (end && !end.test(part)) continue;
      end = null;
      before = part;
      out += part;
    } else if (!end) {
      const [, name = "", equals = ""] = /^(.{1,400}?)(=|%(?:25)*3d)/is.exec(part) ?? [];
      const plain = decoded(name.replaceAll("+", " ")).trim();
      const secret = equals !== "" && (isSecretName(plain) || SECRET_PARAMETER.test(plain) || extra(plain));
      out += secret ? name + equals : part;
      // In a query a value may hold whatever is no `&`, written by somebody who did not encode it.
      if (secret) end = before === ";" ? /^[?&#;\s]$/ : /^[&#\s]$/;
    }
  }
  return out;
}

/** A text of a request without tokens and secret parameters; what is around them stays. `extra`: other secret names. */
export function withoutSecrets(text: string, extra: (name: string) => boolean): string {
  const plain = text
    // Somebody's name and password in an address.
    .replaceAll(/(:\/\/|%(?:25)*3a%(?:25)*2f%(?:25)*2f)[^/?#\s@]*(?:@|%(?:25)*40)/gi, "$1")
    .replaceAll(/\b(bearer|basic) +[\w.~+/=-]{4,}/gi, "$1 …");
  const now = DELIMITER.test(plain) || plain.includes("=") ? withoutParameters(plain, extra) : plain;
  if (!looksLikeToken(now)) return now;
  const without = now.split(/(\s+)/).map((word) => (looksLikeToken(word) ? withoutTokens(word) : word)).join("");
  return looksLikeToken(without) || /[\r\n]/.test(now) ? "…" : without;
}

/** Only the tokens go where they can be told from what is around them, else all of it. */
function withoutTokens(word: string): string {
  const left = tokensMade(word, () => "…");
  return looksLikeToken(left) ? "…" : left;
}

/** A text for people, in which `x-api-key: value` may show a header. */
export function saidWithoutSecrets(text: string, extra: (name: string) => boolean): string {
  const header = /([\w.-]{2,100})(["']?: *)((?:[a-z][\w-]+ )?["']?[^\s·,;"'{}]{6,})(?=["'\s·,;{}]*(?:[·,;{}\n]|$))/gi;
  const now = text.replaceAll(header, (whole, name: string, colon: string) => (isSecretName(name) || extra(name) ? `${name}${colon}…` : whole));
  return withoutSecrets(now, extra);
}

/** A file without whole tokens, as annotations of manifests have them: the rest is what a policy says. */
export function fileWithoutTokens(text: string): string {
  const out = (token: string) => (token.split(DOT).length >= 3 ? "…" : token);
  const left = tokensMade(text, out);
  if (!left.includes("%")) return left;
  return left.replaceAll(/[\w%.-]*%[\w%.-]{20,}/g, (one) => {
    const plain = decoded(one);
    return tokensMade(plain, out) === plain ? one : "…";
  });
}
