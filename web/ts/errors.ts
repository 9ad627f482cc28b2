// The one error of this package.

const CODES = [
  'unsupported',
  'out-of-memory',
  'bad-image',
  'bad-bundle',
  'bad-profile',
  'network',
  'aborted',
  'device-lost',
  'internal',
] as const;

/** What went wrong, for programs. */
export type ErrorCode = (typeof CODES)[number];

/** What went wrong: a code for programs and a sentence for people. */
export class AnomalySDError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AnomalySDError';
    this.code = code;
  }
}

/** Whatever was thrown, as our error: the engine throws plain `{ code, message }`, browsers throw anything. */
export function toError(thrown: unknown): AnomalySDError {
  if (thrown instanceof AnomalySDError) return thrown;
  const { code, message, name } = Object(thrown) as Partial<Record<'code' | 'message' | 'name', unknown>>;
  const text = typeof message === 'string' && message !== '' ? message : String(thrown);
  if (isCode(code)) return new AnomalySDError(code, text);
  if (name === 'AbortError') return new AnomalySDError('aborted', text, { cause: thrown });
  // What browsers say of a buffer that is too large, in their own words.
  const noMemory = name === 'RangeError' && /alloc|memory/i.test(text);
  return new AnomalySDError(noMemory ? 'out-of-memory' : 'internal', text, { cause: thrown });
}

/** The error of work that its caller ended. */
export function abortError(): AnomalySDError {
  return new AnomalySDError('aborted', 'The work was aborted.');
}

function isCode(code: unknown): code is ErrorCode {
  return (CODES as readonly unknown[]).includes(code);
}
