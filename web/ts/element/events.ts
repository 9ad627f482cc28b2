// The element's events and their types.

import type { AnomalySDError, EngineInfo, JobProgress, MinArea, Profile, Result } from './api.js';
import type { IgnoreSource } from './ignored.js';

/** By name; all of them composed, none bubbling. */
export interface AnomalySDEvents {
  /** The engine is there. */
  load: CustomEvent<{ info: EngineInfo; note: string | null }>;
  progress: CustomEvent<JobProgress>;
  /** Good photos were learned, or a profile was opened. */
  fit: CustomEvent<{ profile: Profile }>;
  result: CustomEvent<{ result: Result }>;
  /** A person drew other places to ignore, or took them away. */
  'ignore-change': CustomEvent<{ ignore: IgnoreSource | null }>;
  /** A person set another smallest defect. */
  'min-area-change': CustomEvent<{ minArea: MinArea | null }>;
  /** Anything that went wrong, except a stop that someone asked for. */
  error: CustomEvent<{ error: AnomalySDError }>;
}
