// A bundle from files that a person picked; nothing leaves the machine.

import { AnomalySDError } from '../errors.js';
import { BUNDLE_JSON, type Manifest } from './manifest.js';

/** The picked files by path relative to the outermost `bundle.json`. */
export function pickBundle(files: readonly File[]): Map<string, File> {
  const paths = new Map(files.map((file) => [file.webkitRelativePath || file.name, file]));
  const tables = [...paths.keys()].filter((path) => path === BUNDLE_JSON || path.endsWith(`/${BUNDLE_JSON}`));
  const table = tables.sort((a, b) => a.length - b.length)[0];
  if (table === undefined) {
    throw new AnomalySDError('bad-bundle', `There is no ${BUNDLE_JSON} among the ${files.length} picked files.`);
  }
  const folder = table.slice(0, -BUNDLE_JSON.length);
  const inside = [...paths].filter(([path]) => path.startsWith(folder));
  return new Map(inside.map(([path, file]) => [path.slice(folder.length), file]));
}

/** The shards among picked files. Their sizes are checked here; the engine checks each hash when it reads them. */
export function pickShards({ shards }: Manifest, picked: Map<string, File>): Map<string, Blob> {
  return new Map(
    shards.map(({ path, bytes }) => {
      const file = picked.get(path);
      if (file === undefined) throw new AnomalySDError('bad-bundle', `Shard ${path} is not among the picked files.`);
      if (file.size !== bytes) {
        throw new AnomalySDError('bad-bundle', `Shard ${path} has ${file.size} bytes, ${BUNDLE_JSON} says ${bytes}.`);
      }
      return [path, file];
    }),
  );
}
