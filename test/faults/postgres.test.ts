import { faultsAt } from './network.js';

faultsAt('source', ['connections cut (FIN), 5 times', 'half-open, 3 times', 'SIGKILL and restart']);
