// The element's events and their types.

import type { AnomalySDError, EngineInfo, JobProgress, Profile, Result } from './api.js';

/** By name; all of them composed, none bubbling. */
export interface AnomalySDEvents {
  /** The engine is there. */
  load: CustomEvent<{ info: EngineInfo; note: string | null }>;
  progress: CustomEvent<JobProgress>;
  /** Good photos were learned, or a profile was opened. */
  fit: CustomEvent<{ profile: Profile }>;
  result: CustomEvent<{ result: Result }>;
  /** Anything that went wrong, except a stop that someone asked for. */
  error: CustomEvent<{ error: AnomalySDError }>;
}
