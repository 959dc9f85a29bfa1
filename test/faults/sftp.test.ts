import { faultsAt } from './network.js';

faultsAt('files', ['answers swallowed', 'connections reset (RST), 5 times', 'SIGKILL and restart']);
