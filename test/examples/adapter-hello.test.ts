import { isRecord, parseJson, Secret, type Value, writeJson } from '../../adapters/contract/index.js';
import hello from '../../examples/adapter-hello/index.js';
import { createWorld } from '../../examples/adapter-hello/world.js';
import { adapterConformance, payloadOf, type Sample } from '../kit/adapter/index.js';

let world = createWorld('kit', 'open sesame');

adapterConformance('hello', {
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
});

function sampleOf(value: Value): Sample {
  const fields = isRecord(value) ? value : {};
  return { number: Number(fields['number']), text: String(fields['text']), whole: String(fields['whole']), amount: String(fields['amount']), code: String(fields['code']) };
}
