// Plain data as YAML: text that any reader could take for something else is quoted as in JSON, which is YAML too.
const PLAIN = /^[A-Za-z_][A-Za-z0-9_ ./@+-]*$/;
const MEANING = /^(y|n|yes|no|on|off|true|false|null|nan|inf)$/i;
const scalar = (value) => (typeof value === "string" && PLAIN.test(value) && !MEANING.test(value) && value.trim() === value ? value : JSON.stringify(value));
const isFlat = (value) => value === null || typeof value !== "object" || (Array.isArray(value) && value.every((one) => one === null || typeof one !== "object")) || Object.keys(value).length === 0;
const flat = (value) => (Array.isArray(value) ? `[${value.map(scalar).join(", ")}]` : value !== null && typeof value === "object" ? "{}" : scalar(value));

function lines(value, indent) {
  if (Array.isArray(value))
    return value.flatMap((one) => {
      if (isFlat(one)) return [`${indent}- ${flat(one)}`];
      const [first, ...rest] = lines(one, `${indent}  `);
      return [`${indent}- ${first.trimStart()}`, ...rest];
    });
  return Object.entries(value).flatMap(([name, one]) => (isFlat(one) ? [`${indent}${scalar(name)}: ${flat(one)}`] : [`${indent}${scalar(name)}:`, ...lines(one, `${indent}  `)]));
}

export const yaml = (value) => (isFlat(value) ? `${flat(value)}\n` : `${lines(value, "").join("\n")}\n`);
