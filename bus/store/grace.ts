/** A payload is stored before its message is in the history: what was put in this time before a prune is kept without one. */
export const PAYLOAD_GRACE_MS = 3_600_000;
