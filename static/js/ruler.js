// Where values lie between two ends: evenly, or by their logarithms where the ends are far apart, as app/charts/axis.py has it.
const LOG_FROM = 16;

export const isLog = (low, high) => low > 0 && high / low >= LOG_FROM;

// `share` is the place of a value from 0 to 1, `value` the other way round.
export function ruler(low, high) {
  const log = isLog(low, high);
  const span = log ? Math.log(high / low) : high - low || 1;
  return {
    log,
    share: (value) => Math.min(1, Math.max(0, (log ? Math.log(Math.max(value, low) / low) : value - low) / span)),
    value: (share) => (log ? low * (high / low) ** share : low + span * share),
  };
}
