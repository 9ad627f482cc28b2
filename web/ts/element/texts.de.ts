import type { ProfileClass } from './api.js';
import type { Texts } from './texts.js';

const fotos = (count: number): string => `${count} Foto${count === 1 ? '' : 's'}`;

export const german: Texts = {
  label: 'Anomalieprüfung',
  good: 'Gute Fotos',
  goodHint: 'Ein bis vier Fotos eines einwandfreien Teils. Mehr machen die Schwelle besser.',
  suspect: 'Zu prüfendes Foto',
  suspectHint: 'Ein Foto des fraglichen Teils, genauso aufgenommen.',
  dropHint: 'oder ablegen oder einfügen: PNG, JPEG, WebP',
  dropGood: 'Als gute Fotos hinzufügen',
  dropSuspect: 'Dieses Foto prüfen',
  choosePhotos: 'Fotos wählen',
  choosePhoto: 'Foto wählen',
  addPhotos: 'Gute Fotos hinzufügen',
  replace: 'Ersetzen',
  camera: 'Kamera',
  remove: (name) => `${name} entfernen`,
  unnamed: 'Foto',
  problem: {
    heic: 'HEIC-Fotos sind hier nicht lesbar. Bitte dieses als JPEG speichern.',
    avif: 'AVIF-Fotos sind hier nicht lesbar. Bitte dieses als JPEG, PNG oder WebP speichern.',
    type: 'Das ist kein Foto in PNG, JPEG oder WebP.',
    damaged: 'Dieses Foto ist beschädigt und nicht lesbar.',
    unreachable: 'Dieses Foto konnte nicht geladen werden.',
  },
  onePhoto: 'Geprüft wird ein Foto auf einmal; das erste wurde genommen.',

  check: 'Foto prüfen',
  learn: 'Gute Fotos lernen',
  needGood: 'Beginnen Sie mit einem guten Foto.',
  needSuspect: 'Jetzt das zu prüfende Foto hinzufügen.',
  needOther: 'Bitte ein anderes Foto wählen.',
  ready: 'Bereit zur Prüfung.',
  learned: 'Gelernt. Fügen Sie das zu prüfende Foto hinzu oder sichern Sie das Profil.',
  stopped: 'Angehalten. Ihre Fotos sind noch da.',
  cancel: 'Abbrechen',
  retry: 'Erneut versuchen',
  nothing: 'Noch kein Foto',

  steps: { load: 'Modell laden', fit: 'Gute Fotos lernen', detect: 'Foto prüfen' },
  stage({ stage, done, total, photo, photos, bytes }, format) {
    const step = total > 1 ? `, ${Math.min(done + 1, total)} von ${total}` : '';
    const which = photos > 1 ? `, Foto ${photo + 1} von ${photos}` : '';
    switch (stage) {
      case 'download':
        return bytes ? `Laden: ${format.megabytes(bytes.loaded)} von ${format.megabytes(bytes.total)} MB` : 'Das Modell wird geladen';
      case 'start': return 'Das Programm startet';
      case 'check': return 'Das Gerät wird mit bekannten Ergebnissen geprüft';
      case 'encode': return `Foto lesen${which}`;
      case 'class': return `Vergleichsbild vorbereiten${which}`;
      case 'denoise': return `Verdeckte Stellen neu malen${step}${which}`;
      case 'decode': return `Repariertes Foto fertigstellen${which}`;
      case 'features': return `Merkmale messen${which}`;
      case 'prototypes': return `Mit guten Fotos vergleichen${which}`;
      case 'fuse': return `Karte zusammensetzen${which}`;
      default: return '';
    }
  },
  remaining: (seconds) => (seconds < 90 ? `noch etwa ${Math.max(1, Math.round(seconds))} s` : `noch etwa ${Math.round(seconds / 60)} min`),

  verdict: { ok: 'In Ordnung', suspect: 'Verdächtig', anomalous: 'Auffällig' },
  verdictLine: {
    ok: 'Nichts hebt sich von den guten Fotos ab.',
    suspect: 'Knapp über der Schwelle. Bitte ansehen.',
    anomalous: 'Deutlich anders als die guten Fotos.',
  },
  score: 'Wert',
  threshold: 'Schwelle',
  thresholdSlider: 'Schwelle: wie sich das Urteil ändert',
  thresholdValue: (threshold, verdict, format) => `${format.score(threshold)}, das Urteil ist dann ${german.verdict[verdict]}`,
  thresholdMoved: (calibrated, format) => `Was wäre wenn? Die guten Fotos ergeben ${format.score(calibrated)}.`,
  thresholdReset: 'Zurück',
  pValue({ p, calibration: { n, kind, stale } }, format) {
    if (stale) return 'Kein p-Wert: Die guten Fotos wurden unter anderen Einstellungen gemessen.';
    if (kind === 'views') return 'Kein p-Wert: Ein gutes Foto zeigt nicht, wie sehr sich gute Fotos unterscheiden.';
    if (p === null) return 'Kein p-Wert.';
    if (kind === 'held-out') return `Gute Fotos erreichen das höchstens in ${format.percent(p)} der Fälle (p\u00a0=\u00a0${format.probability(p)}).`;
    const above = Math.max(0, Math.round(p * (n + 1)) - 1);
    return `${above === 0 ? 'Keines' : above} der ${n} guten Fotos ${above > 1 ? 'erreichten' : 'erreichte'} diesen Wert (p\u00a0≈\u00a0${format.probability(p)}, Näherung).`;
  },
  support: 'Was diese Fotos belegen',
  supportOf: supportInGerman,
  regions: 'Stellen',
  noRegions: 'Bei dieser Schwelle fällt keine Stelle auf.',
  place: ({ row, column }) => {
    const side = { left: 'links', centre: 'Mitte', right: 'rechts' }[column];
    if (row === 'middle') return column === 'centre' ? 'Mitte' : `Mitte ${side}`;
    return `${row === 'top' ? 'Oben' : 'Unten'} ${side}`;
  },
  region: (region, share, format) => `${format.percent(share)} des Fotos, Spitze ${format.score(region.peak)}`,

  view: 'Ansicht',
  views: { overlay: 'Wärmebild', contour: 'Umriss', repaired: 'Repariert', slider: 'Vergleich', photo: 'Foto' },
  opacity: 'Deckkraft',
  compare: 'Foto und repariertes Foto vergleichen',
  compareValue: (share, format) => `${format.percent(share)} Foto, ${format.percent(1 - share)} repariert`,
  before: 'Foto',
  after: 'Repariert',
  legend: (threshold, format) => `Farbskala von 0 bis zum Doppelten der Schwelle von ${format.score(threshold)}`,
  viewNotes: {
    contour: 'Die Linie verläuft, wo die Karte die Schwelle erreicht.',
    repaired: 'Wie das Foto aussehen sollte, nach den guten neu gemalt.',
    slider: 'Ziehen Sie die Linie, oder nehmen Sie die Pfeiltasten.',
    photo: 'Das Foto, wie es gegeben wurde.',
  },
  picture: (name, view, verdict) => `${name || 'Foto'}: ${german.views[view]}${verdict ? `, Urteil ${german.verdict[verdict]}` : ''}`,

  ignore: 'Stellen auslassen',
  ignoreHint: 'Ziehen Sie über das, was nicht zählt. Pfeiltasten verschieben das letzte Rechteck, mit Umschalt ändern sie die Größe.',
  otherShape: 'Die ausgelassenen Stellen sind von einem Foto anderer Form.',
  tools: { rectangle: 'Rechteck', brush: 'Pinsel', eraser: 'Radierer' },
  addBox: 'Rechteck hinzufügen',
  box: (x, y, width, height, { percent }) => `Rechteck: links ${percent(x)}, oben ${percent(y)}, Breite ${percent(width)}, Höhe ${percent(height)}`,
  brushSize: 'Breite',
  undo: 'Rückgängig',
  clear: 'Leeren',
  done: 'Fertig',
  smallest: 'Kleinster Fehler, der zählt',
  ofPhoto: '% des Fotos',

  downloads: 'Sichern',
  saveProfile: 'Profil sichern',
  download: { heat: 'Wärmebild', repaired: 'Repariert', json: 'JSON', profile: 'Profil' },
  fileNames: { heat: 'waermebild', repaired: 'repariert', json: 'ergebnis' },

  profile: 'Profil',
  profileClasses: (count) => (count === 1 ? 'ein Produkt' : `${count} Produkte`),
  removeProfile: 'Profil entfernen',
  chooseClass: 'Produkt',

  cameraTitle: { good: 'Gute Teile aufnehmen', suspect: 'Zu prüfendes Teil aufnehmen' },
  shoot: 'Aufnehmen',
  close: 'Schließen',
  switchCamera: 'Andere Kamera',
  shot: (count) => `${fotos(count)} aufgenommen`,
  cameraRefused: 'Der Browser darf die Kamera nicht benutzen. Erlauben Sie es in der Adresszeile, oder wählen Sie Fotos.',
  cameraMissing: 'Es ließ sich keine Kamera öffnen. Wählen Sie stattdessen Fotos.',

  privacy: 'Fotos bleiben auf diesem Gerät',
  onGpu: 'Läuft auf dem Grafikprozessor dieses Geräts',
  onCpu: (reason) => (reason ? 'WebGPU ist hier nicht nutzbar: läuft auf dem Prozessor, langsamer, mit demselben Ergebnis' : 'Läuft auf dem Prozessor'),
  note: noteInGerman,
  downloadSize: (megabytes) => `${megabytes} MB, einmal geladen`,
  lost: 'Das Grafikgerät ging verloren und wurde ersetzt.',

  errors: {
    unsupported: { title: 'Auf diesem Gerät nicht möglich', hint: 'Ein anderer Browser oder ein Rechner mit mehr Speicher kann helfen; die Einzelheiten sagen, was fehlt.' },
    'out-of-memory': { title: 'Zu wenig Speicher', hint: 'Schließen Sie andere Tabs oder Programme und versuchen Sie es erneut.' },
    'bad-image': { title: 'Das Foto ist nicht lesbar', hint: 'Wählen Sie ein anderes Foto: PNG, JPEG oder WebP.' },
    'bad-bundle': { title: 'Das Modell ist beschädigt', hint: 'Nichts davon wurde behalten. Versuchen Sie es erneut, oder wählen Sie ein anderes Modell.' },
    'bad-profile': { title: 'Das Profil passt nicht', hint: 'Es stammt von einem anderen Modell oder ist beschädigt. Entfernen Sie es und wählen Sie stattdessen gute Fotos.' },
    network: { title: 'Das Laden ist fehlgeschlagen', hint: 'Was angekommen ist, bleibt. Versuchen Sie es erneut.' },
    aborted: { title: 'Angehalten', hint: '' },
    'device-lost': { title: 'Das Grafikgerät ging verloren', hint: 'Das geschieht nach dem Ruhezustand oder einem Treiberwechsel. Der nächste Versuch setzt fort.' },
    internal: { title: 'Etwas ging schief', hint: 'Ihre Fotos sind noch da. Versuchen Sie es erneut, oder laden Sie die Seite neu.' },
  },
  offline: { title: 'Sie sind offline', hint: 'Das Modell ist noch nicht geladen. Es geht von selbst weiter, sobald Sie online sind.' },
  details: 'Einzelheiten',
  announceResult: (verdict, score, threshold, regions, format) =>
    `${german.verdict[verdict]}. Wert ${format.score(score)}, Schwelle ${format.score(threshold)}. ${regions === 1 ? '1 Stelle' : `${regions} Stellen`}.`,
};

/** What can be told of an English sentence without its figures; another one stays as it is. */
function noteInGerman(sentence: string): string {
  if (/as asked for/.test(sentence)) return 'Läuft auf dem Prozessor, wie gewünscht';
  const parts = [
    /The processor is used/.test(sentence) && german.onCpu(sentence),
    /not kept/.test(sentence) && 'Im Browser ist zu wenig Platz: Das Modell wird bei jedem Besuch neu geladen',
  ].filter((part) => part !== false);
  return parts.join('. ') || sentence;
}

/** The engine says this in English; here it is said again from the figures. */
function supportInGerman({ calibration: { kind, n, false_alarm_rate_supported: rate } }: ProfileClass): string {
  switch (kind) {
    case 'views':
      return 'Die Schwelle stammt aus verschobenen und skalierten Ansichten des einzigen guten Fotos; einen p\u2011Wert gibt es nicht. Mehr gute Fotos verbessern sie.';
    case 'leave-one-out':
      return `Die Schwelle vergleicht jedes der ${n} guten Fotos mit den anderen; p\u2011Werte sind Näherungen. Eine Fehlalarmrate brauchte eigene gute Fotos: 19 für 5 %.`;
    case 'held-out':
      return `Die Schwelle stammt aus ${n} eigenen guten Fotos; belegt sind Fehlalarmraten ab ${((rate ?? 1) * 100).toFixed(1).replace('.', ',')} %.`;
  }
}
