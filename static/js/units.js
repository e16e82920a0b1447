// Base units become readable ones, as app/charts/units.py has it: the prefix that fits, three significant digits.
const THIN = "\u202f";
const BINARY = [[2 ** 40, "TiB"], [2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "B"]];
const TIME = [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]];
const DECIMAL = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""]];
const HIGH = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

// The unit in which a value of about this magnitude reads best: [base units in one of it, its name].
export function scale(unit, magnitude) {
  const size = Math.abs(magnitude);
  if (unit === "B") return BINARY.find(([divisor]) => size >= divisor) ?? [1, "B"];
  if (unit === "s") return TIME.find(([divisor]) => size >= divisor) ?? (size === 0 ? TIME[0] : TIME.at(-1));
  const word = unit === "1" ? "" : unit;
  if (unit === "nat") return [1, word];
  for (const [divisor, prefix] of DECIMAL)
    if (size >= divisor && (divisor !== 1e3 || size >= 1e5 || unit.startsWith("FLOP")))
      return [divisor, prefix + (prefix && /^[a-z]/.test(unit) ? THIN : "") + word];
  return [1, word];
}

// A number with so many significant digits, thousands separated, powers of ten below a thousandth.
export function digits(value, significant = 3) {
  if (value === 0) return "0";
  const exponent = Number(value.toExponential(significant - 1).split("e")[1]);
  if (exponent < -3) {
    const mantissa = (value / 10 ** exponent).toFixed(Math.max(0, significant - 2));
    return `${mantissa}×10${[...String(exponent)].map((sign) => HIGH[sign]).join("")}`.replaceAll("-", "\u2212");
  }
  const places = Math.max(0, significant - 1 - exponent);
  return value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places }).replaceAll("-", "\u2212");
}

export function readable(value, unit, significant = 3) {
  const [divisor, word] = scale(unit, value);
  return digits(value / divisor, significant) + (word ? THIN + word : "");
}

export const times = (ratio) => `×${digits(ratio, ratio >= 1 ? 3 : ratio < 0.995 ? 2 : 3)}`;

// A value of a figure, whose unit is × where it is a ratio over the baseline.
export const told = (value, unit) => (unit === "×" ? times(value) : readable(value, unit));

// A value as it stands in a field: short, and the server reads it back.
export function entered(value, unit) {
  if (unit === "×") return String(Number(value.toPrecision(3)));
  const [divisor, word] = scale(unit, value);
  const number = String(Number((value / divisor).toPrecision(3)));
  return word ? `${number} ${word.replaceAll(THIN, "")}` : number;
}
