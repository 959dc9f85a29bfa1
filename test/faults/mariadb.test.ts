import { faultsAt } from './network.js';

faultsAt('reports', ['black hole', 'connections cut (FIN), 5 times', 'SIGKILL and restart']);
