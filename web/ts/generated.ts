// Types of what the engine takes and returns, named as in its JSON. Written by a test of web/src/request.rs.

export type Verdict = "ok" | "suspect" | "anomalous";

export type Mode = "fast" | "faithful";

export type Device = "cpu" | "webgpu";

export type Stage = "encode" | "class" | "denoise" | "decode" | "features" | "prototypes" | "fuse";

export type Progress = { 
/**
 * What is being done.
 */
stage: Stage, 
/**
 * Which photo, counted from 0; a detection has one.
 */
photo: number, 
/**
 * Photos in all.
 */
photos: number, 
/**
 * Passes or steps of this photo that are done.
 */
done: number, 
/**
 * Passes or steps of this photo in all.
 */
total: number, };

export type Identity = { 
/**
 * Its name.
 */
name: string, 
/**
 * SHA-256 of weights and configuration.
 */
sha256: string, };

export type ModelInfo = { 
/**
 * Licence text; empty where the model came without.
 */
licence: string, 
/**
 * Its name.
 */
name: string, 
/**
 * SHA-256 of weights and configuration.
 */
sha256: string, };

export type EngineInfo = { 
/**
 * What computes.
 */
device: Device, 
/**
 * The diffusion model.
 */
model: ModelInfo, 
/**
 * The feature network.
 */
features: Identity, 
/**
 * Longer side in pixels that photos are resized to.
 */
size: number, 
/**
 * Linear memory that the module holds since it was opened, or since the last fit or detection.
 */
heapBytes: number, };

export type FitRequest = { 
/**
 * What the product is called, in words.
 */
className?: string, 
/**
 * Parts and surfaces that an inspector would name.
 */
parts?: string, 
/**
 * Fast or faithful.
 */
mode?: Mode, 
/**
 * Photos are large, and judged in tiles of so many of their pixels; the profile keeps it.
 */
tile?: number, 
/**
 * Places that do not count; the profile keeps them.
 */
ignore?: Array<Place>, 
/**
 * Any of `DetectOptions`.
 */
options?: object, };

export type DetectRequest = { 
/**
 * The photo's name, as the result shows it.
 */
image?: string, 
/**
 * The class in the profile, where there are several.
 */
className?: string, 
/**
 * Fast or faithful.
 */
mode?: Mode, 
/**
 * The photo is large, and judged in tiles of so many of its pixels.
 */
tile?: number, 
/**
 * Of the noise.
 */
seed?: number, 
/**
 * Instead of the class's own.
 */
threshold?: number, 
/**
 * Places that do not count in this photo, beside those of the profile.
 */
ignore?: Array<Place>, 
/**
 * The smallest defect that counts: pixels of the photo (`25`) or per cent of it (`0.1%`).
 */
minArea?: string, 
/**
 * Any of `DetectOptions`.
 */
options?: object, };

export type CalibrationKind = "held-out" | "leave-one-out" | "views";

export type CalibrationSummary = { 
/**
 * Held-out photos, leave-one-out, or views of one photo.
 */
kind: CalibrationKind, 
/**
 * Scores it rests on.
 */
n: number, 
/**
 * Lowest false-alarm rate that they support.
 */
false_alarm_rate_supported: number | null, 
/**
 * The scores were made under other options: recalibrate.
 */
stale: boolean, 
/**
 * Highest value of the map on any good photo: regions start above it.
 */
peak: number, };

export type ProfileClass = { 
/**
 * Its name.
 */
name: string, 
/**
 * Good photos that it was fitted on, or tiles of them that it keeps.
 */
good: number, 
/**
 * The score above which a photo is suspect.
 */
threshold: number, 
/**
 * A place is like the same place of the other good photos.
 */
aligned: boolean, 
/**
 * Quarter turns and flips under which it is still good.
 */
turns: number, 
/**
 * On what the threshold rests.
 */
calibration: CalibrationSummary, 
/**
 * What the photos at hand do and do not support, in words.
 */
support: string, };

export type ProfileInfo = { 
/**
 * Of the whole file.
 */
sha256: string, 
/**
 * The model that it was made with.
 */
model: Identity | null, 
/**
 * The feature network that it was made with.
 */
features: Identity, 
/**
 * Its classes.
 */
classes: Array<ProfileClass>, };

export type Region = { 
/**
 * Left edge in pixels of the map.
 */
x: number, 
/**
 * Top edge.
 */
y: number, 
/**
 * Width of the bounding box.
 */
width: number, 
/**
 * Height of the bounding box.
 */
height: number, 
/**
 * Number of pixels.
 */
area: number, 
/**
 * Highest value of S.
 */
peak: number, 
/**
 * Mean of S.
 */
mean: number, };

export type Place = { 
/**
 * Left edge, 0..1.
 */
x: number, 
/**
 * Top edge, 0..1.
 */
y: number, 
/**
 * Width, above 0; the right edge is at most 1.
 */
width: number, 
/**
 * Height, above 0; the lower edge is at most 1.
 */
height: number, };

export type MapFile = { 
/**
 * In pixels.
 */
width: number, 
/**
 * In pixels.
 */
height: number, 
/**
 * Value of the brightest level of `file`.
 */
max: number, 
/**
 * 16-bit grey PNG, where one was written.
 */
file: string | null, 
/**
 * The values themselves where the result travels alone: base64 of little-endian f32, row by
 * row from the top. 350 kB for a map of 256×256.
 */
data: string | null, };

export type ProfileHash = { 
/**
 * Of the whole file.
 */
sha256: string, };

export type DetectionResult = { 
/**
 * Always [`SCHEMA`].
 */
schema: 'anomalysd.result.v1', 
/**
 * The photo's path as it was given.
 */
image: string, 
/**
 * Its class.
 */
class: string, 
/**
 * 1 is about the top of normal.
 */
score: number, 
/**
 * P(a good photo scores at least this); absent where none is supported.
 */
p_value: number | null, 
/**
 * The p-value claims no rate.
 */
p_approximate: boolean, 
/**
 * The score above which a photo is suspect.
 */
threshold: number, 
/**
 * What it comes to.
 */
verdict: Verdict, 
/**
 * On what the threshold rests.
 */
calibration: CalibrationSummary, 
/**
 * Where it differs, in pixels of the judged photo, by falling peak.
 */
regions: Array<Region>, 
/**
 * The anomaly map.
 */
map: MapFile, 
/**
 * File of the repaired photo, where one was written.
 */
repaired: string | null, 
/**
 * The diffusion model; none where features alone were compared.
 */
model: Identity | null, 
/**
 * The feature network.
 */
features: Identity, 
/**
 * The profile, where one was given.
 */
profile: ProfileHash | null, 
/**
 * Where it was computed.
 */
device: string, 
/**
 * Fast or faithful.
 */
mode: Mode, 
/**
 * Of the noise.
 */
seed: number, 
/**
 * Where the time went.
 */
timings_ms: Record<string, number>, };
