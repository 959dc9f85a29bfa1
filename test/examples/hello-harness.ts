import { parseJson, Secret, writeJson } from '../../adapters/contract/index.js';
import hello from '../../examples/adapter-hello/index.js';
import { createWorld } from '../../examples/adapter-hello/world.js';
import { type AdapterHarness, payloadOf, sampleOf } from '../kit/adapter/index.js';

let world = createWorld('kit', 'open sesame');

export const helloHarness: AdapterHarness = {
  spec: hello,
  async clean() {
    world = createWorld('kit', 'open sesame');
  },
  connect: () => ({ world: 'kit', password: new Secret('world', 'open sesame') }),
  badCredentials: () => ({ world: 'kit', password: new Secret('world', 'open barley') }),
  unreachable: () => ({ world: 'nowhere', password: new Secret('world', 'open sesame') }),
  async breakLink() {
    world.asleep = true;
  },
  async healLink() {
    world.asleep = false;
  },
  inbound: {
    config: () => ({}),
    async seed(samples) {
      world.greetings.push(...samples.map((sample) => writeJson(payloadOf(sample))));
    },
    read: (record) => sampleOf(record.value),
  },
  outbound: {
    config: () => ({}),
    collect: async () => [...world.answers.values()].map((text) => sampleOf(parseJson(text))),
  },
};
