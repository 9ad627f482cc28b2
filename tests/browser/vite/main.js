// Somebody's app: what the package's README says, and no word about where its files are.

import { AnomalySD } from 'anomalysd';
import 'anomalysd/element';

window.loaded = AnomalySD.load({ device: 'cpu' }).then(({ info }) => info);
