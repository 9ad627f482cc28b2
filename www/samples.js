// The sample photos that are served beside the pages; `samples/index.json` lists them.

/**
 * @typedef {{ name: string, good: string[], suspect: string[] }} Sample
 * @returns {Promise<Sample[]>} products with whole addresses of their photos; none where the list cannot be fetched
 */
export async function loadSamples() {
  const list = new URL('samples/index.json', import.meta.url);
  try {
    const response = await fetch(list);
    if (!response.ok) return [];
    const whole = (address) => new URL(address, list).href;
    return (await response.json()).map(({ name, good, suspect }) => ({
      name, good: good.map(whole), suspect: suspect.map(whole),
    }));
  } catch {
    return [];
  }
}

/** The suspect photo with the defect: its file is named after it. */
export function defectOf({ suspect }) {
  return suspect.find((address) => wordsOf(address) !== 'good') ?? suspect[0];
}

/** `samples/metal_nut/suspect/oil_stain.png` → `oil stain` */
export function wordsOf(address) {
  return decodeURIComponent(address.split('/').pop()).replace(/\.\w+$/, '').replaceAll('_', ' ');
}

/** `metal_nut` → `Metal nut` */
export function titleOf(name) {
  const words = name.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}
