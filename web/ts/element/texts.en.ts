import type { ProfileClass } from './api.js';
import type { Texts } from './texts.js';

const photos = (count: number): string => `${count} photo${count === 1 ? '' : 's'}`;
const goodPhotos = (count: number): string => `${count} good photo${count === 1 ? '' : 's'}`;

export const english: Texts = {
  label: 'Anomaly check',
  good: 'Good photos',
  goodHint: 'One to four photos of a part that is fine. More make the threshold better.',
  suspect: 'Photo to check',
  suspectHint: 'A photo of the part you are not sure about, taken the same way.',
  dropHint: 'or drop or paste: PNG, JPEG, WebP',
  dropGood: 'Add as good photos',
  dropSuspect: 'Check this photo',
  choosePhotos: 'Choose photos',
  choosePhoto: 'Choose photo',
  addPhotos: 'Add good photos',
  replace: 'Replace',
  camera: 'Camera',
  remove: (name) => `Remove ${name}`,
  unnamed: 'photo',
  problem: {
    heic: 'HEIC photos cannot be read here. Save this one as JPEG and try again.',
    avif: 'AVIF photos cannot be read here. Save this one as JPEG, PNG or WebP and try again.',
    type: 'This is not a PNG, JPEG or WebP photo.',
    damaged: 'This photo is damaged and cannot be read.',
    unreachable: 'This photo could not be fetched.',
  },
  onePhoto: 'One photo is checked at a time; the first one was taken.',

  check: 'Check photo',
  learn: 'Learn good photos',
  needGood: 'Start with a good photo.',
  needSuspect: 'Now add the photo to check.',
  needOther: 'Choose another photo to check.',
  ready: 'Ready to check.',
  learned: 'Learned. Add the photo to check, or save the profile for later.',
  stopped: 'Stopped. Your photos are still here.',
  cancel: 'Cancel',
  retry: 'Try again',
  nothing: 'No photo yet',

  steps: { load: 'Load the model', fit: 'Learn the good photos', detect: 'Check the photo' },
  stage({ stage, done, total, photo, photos: of, bytes }, format) {
    const step = total > 1 ? `, ${Math.min(done + 1, total)} of ${total}` : '';
    const which = of > 1 ? `, photo ${photo + 1} of ${of}` : '';
    switch (stage) {
      case 'download':
        return bytes ? `Downloading: ${format.megabytes(bytes.loaded)} of ${format.megabytes(bytes.total)} MB` : 'Downloading the model';
      case 'start': return 'Starting the engine';
      case 'check': return 'Testing the device with known answers';
      case 'encode': return `Reading the photo${which}`;
      case 'class': return `Preparing what good looks like${which}`;
      case 'denoise': return `Repainting hidden places${step}${which}`;
      case 'decode': return `Finishing the repaired photo${which}`;
      case 'features': return `Measuring features${which}`;
      case 'prototypes': return `Comparing with the good photos${which}`;
      case 'fuse': return `Putting the map together${which}`;
      default: return '';
    }
  },
  remaining: (seconds) => (seconds < 90 ? `about ${Math.max(1, Math.round(seconds))} s left` : `about ${Math.round(seconds / 60)} min left`),

  verdict: { ok: 'OK', suspect: 'Suspect', anomalous: 'Anomalous' },
  verdictLine: {
    ok: 'Nothing stands out from the good photos.',
    suspect: 'A little above the threshold. Have a look.',
    anomalous: 'Clearly different from the good photos.',
  },
  score: 'Score',
  threshold: 'Threshold',
  thresholdSlider: 'Threshold: see what the verdict becomes',
  thresholdValue: (threshold, verdict, format) => `${format.score(threshold)}, the verdict is then ${english.verdict[verdict]}`,
  thresholdMoved: (calibrated, format) => `What if? The good photos set ${format.score(calibrated)}.`,
  thresholdReset: 'Reset',
  pValue({ p, calibration: { n, kind, stale } }, format) {
    if (stale) return 'No p-value: the good photos were measured under other settings.';
    if (kind === 'views') return 'No p-value: one good photo does not show how much good photos differ.';
    if (p === null) return 'No p-value.';
    if (kind === 'held-out') return `Good photos score this high at most ${format.percent(p)} of the time (p\u00a0=\u00a0${format.probability(p)}).`;
    const above = Math.max(0, Math.round(p * (n + 1)) - 1);
    return `${above === 0 ? 'None' : above} of the ${goodPhotos(n)} scored this high (p\u00a0≈\u00a0${format.probability(p)}, approximate).`;
  },
  support: 'What these photos support',
  supportOf,
  regions: 'Regions',
  noRegions: 'No region stands out at this threshold.',
  place: ({ row, column }) => (row === 'middle' ? (column === 'centre' ? 'Centre' : `Middle ${column}`)
    : `${row === 'top' ? 'Top' : 'Bottom'} ${column}`),
  region: (region, share, format) => `${format.percent(share)} of the photo, peak ${format.score(region.peak)}`,

  view: 'View',
  views: { overlay: 'Heat map', contour: 'Outline', repaired: 'Repaired', slider: 'Compare', photo: 'Photo' },
  opacity: 'Opacity',
  compare: 'Compare photo and repaired photo',
  compareValue: (share, format) => `${format.percent(share)} photo, ${format.percent(1 - share)} repaired`,
  before: 'Photo',
  after: 'Repaired',
  legend: (threshold, format) => `Colour scale from 0 to twice the threshold of ${format.score(threshold)}`,
  viewNotes: {
    contour: 'The line runs where the map reaches the threshold.',
    repaired: 'How the photo should look, repainted after the good ones.',
    slider: 'Drag the line, or use the arrow keys.',
    photo: 'The photo as it was given.',
  },
  picture: (name, view, verdict) => `${name || 'Photo'}: ${english.views[view].toLowerCase()}${verdict ? `, verdict ${english.verdict[verdict]}` : ''}`,

  ignore: 'Ignore places',
  ignoreHint: 'Drag over what does not count. Arrow keys move the last rectangle, with Shift they resize it.',
  otherShape: 'The ignored places are of a photo of another shape.',
  tools: { rectangle: 'Rectangle', brush: 'Brush', eraser: 'Eraser' },
  addBox: 'Add rectangle',
  box: (x, y, width, height, { percent }) => `Rectangle: left ${percent(x)}, top ${percent(y)}, width ${percent(width)}, height ${percent(height)}`,
  brushSize: 'Width',
  undo: 'Undo',
  clear: 'Clear',
  done: 'Done',
  smallest: 'Smallest defect that counts',
  ofPhoto: '% of the photo',

  downloads: 'Save',
  saveProfile: 'Save profile',
  download: { heat: 'Heat map', repaired: 'Repaired', json: 'JSON', profile: 'Profile' },
  fileNames: { heat: 'heat-map', repaired: 'repaired', json: 'result' },

  profile: 'Profile',
  profileClasses: (count) => (count === 1 ? 'one product' : `${count} products`),
  removeProfile: 'Remove profile',
  chooseClass: 'Product',

  cameraTitle: { good: 'Photograph good parts', suspect: 'Photograph the part to check' },
  shoot: 'Take photo',
  close: 'Close',
  switchCamera: 'Other camera',
  shot: (count) => `${photos(count)} taken`,
  cameraRefused: 'The browser was not allowed to use the camera. Allow it in the address bar, or choose photos instead.',
  cameraMissing: 'No camera could be opened. Choose photos instead.',

  privacy: 'Photos stay on this device',
  onGpu: 'Runs on this device’s graphics processor',
  onCpu: (reason) => `${reason ? `${reason} ` : ''}Runs on the processor${reason ? ': slower, same result' : ''}`,
  note: (sentence) => sentence,
  downloadSize: (megabytes) => `${megabytes} MB, loaded once`,
  lost: 'The graphics device was lost and replaced.',

  errors: {
    unsupported: { title: 'Not possible on this device', hint: 'Another browser or a computer with more memory may do; the details say what is missing.' },
    'out-of-memory': { title: 'Not enough memory', hint: 'Close other tabs or programs, then try again.' },
    'bad-image': { title: 'The photo cannot be read', hint: 'Choose another photo: PNG, JPEG or WebP.' },
    'bad-bundle': { title: 'The model is damaged', hint: 'Nothing of it was kept. Try again, or choose another model.' },
    'bad-profile': { title: 'The profile does not fit', hint: 'It was made with another model, or is damaged. Remove it and choose good photos instead.' },
    network: { title: 'The download failed', hint: 'What has arrived is kept. Try again to continue.' },
    aborted: { title: 'Stopped', hint: '' },
    'device-lost': { title: 'The graphics device was lost', hint: 'This happens after sleep or a driver reset. Try again.' },
    internal: { title: 'Something went wrong', hint: 'Your photos are still here. Try again; if it stays, reload the page.' },
  },
  offline: { title: 'You are offline', hint: 'The model has not been downloaded yet. It goes on by itself when you are back online.' },
  details: 'Details',
  announceResult: (verdict, score, threshold, regions, format) =>
    `${english.verdict[verdict]}. Score ${format.score(score)}, threshold ${format.score(threshold)}. ${regions === 1 ? '1 region' : `${regions} regions`}.`,
};

/** What the engine says of it, in whole sentences. */
function supportOf({ calibration: { kind, n, false_alarm_rate_supported: rate } }: ProfileClass): string {
  switch (kind) {
    case 'views':
      return 'The threshold comes from shifted and scaled views of the only good photo; there is no p\u2011value. More good photos make it better.';
    case 'leave-one-out':
      return `The threshold compares each of the ${n} good photos with the others; p\u2011values are approximate. A false-alarm rate needs good photos kept apart: 19 for 5%.`;
    case 'held-out':
      return `The threshold comes from ${n} good photos kept apart; they support false-alarm rates from ${((rate ?? 1) * 100).toFixed(1)}%.`;
  }
}
