import { brokerConformance } from '../../kit/broker/index.js';
import { embedded } from './harness.js';

brokerConformance('embedded', embedded);
