import { expect } from '@jest/globals';
import { required } from '../bench.js';
import { hardSample, sample } from '../samples.js';
import { ifCallable, type Scenario } from '../scenario.js';

export const callScenarios: readonly Scenario[] = [
  {
    name: 'a call is answered, exactly',
    applies: ifCallable,
    run: async (bench) => {
      const harness = required(bench.harness.callable, 'the harness has no callable');
      await harness.seed(hardSample(1));
      const callable = await bench.callable();
      await callable.open(bench.signal);
      const answer = await callable.call(harness.parameters(hardSample(1)), bench.signal);
      expect(harness.read(answer)).toEqual(hardSample(1));
    },
  },
  {
    name: 'a call for what is not there is answered with null',
    applies: ifCallable,
    run: async (bench) => {
      const harness = required(bench.harness.callable, 'the harness has no callable');
      const callable = await bench.callable();
      await callable.open(bench.signal);
      expect(await callable.call(harness.parameters(sample(99)), bench.signal)).toBeNull();
    },
  },
];
