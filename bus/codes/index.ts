import { busCodes } from './bus.js';
import { configCodes } from './config.js';
import { dataCodes } from './data.js';
import { endpointCodes } from './endpoint.js';
import { expressionCodes } from './expression.js';

/** Every stable code of Signalbox. `docs/reference/errors.md` is generated from it; a test proves the two equal. */
export const codes = { ...configCodes, ...expressionCodes, ...dataCodes, ...endpointCodes, ...busCodes };
export type Code = keyof typeof codes;
