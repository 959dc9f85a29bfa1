import { storeConformance } from '../../kit/store/conformance.js';
import { services } from '../../services/services.js';
import { newPlace, openStore, type Place, sql } from './open-postgres.js';

const parsed = (place: string): Place => JSON.parse(place) as Place;

storeConformance('PostgreSQL', {
  module: new URL('./open-postgres.js', import.meta.url),
  create: async () => JSON.stringify(newPlace(await services.postgres())),
  open: openStore,
  async remove(place) {
    await sql(parsed(place), `DROP SCHEMA IF EXISTS "${parsed(place).schema}" CASCADE`);
  },
  async letPass(place, ms) {
    await sql(parsed(place), "UPDATE lease SET expires = expires - $1 * interval '1 millisecond'", [ms]);
  },
});
