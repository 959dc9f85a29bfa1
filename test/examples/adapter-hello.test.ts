import { adapterConformance } from '../kit/adapter/index.js';
import { helloHarness } from './hello-harness.js';

adapterConformance('hello', helloHarness);
