// All an adapter may import from Signalbox. Words: a System is one external application; an Endpoint is one named thing to read, write or
// call at it (Inbound, Outbound, Callable); a SourceRecord is what an inbound endpoint read; a Delivery is one effect asked of an
// outbound endpoint. The four failures say what the runtime does next. Numbers are exact (bigint, Decimal), never a JavaScript number.
export { isDay } from '../../bus/dates.js';
export { Decimal } from '../../bus/decimal.js';
export { describe, failureOf, InvalidMessage, Misconfigured, NotConnected, TryAgain } from '../../bus/errors.js';
export { JsonError, type JsonLimits, OWN_JSON, parseJson, writeJson } from '../../bus/json.js';
export { deriveId, type WireHeaders } from '../../bus/message.js';
export type { SourceRecord } from '../../bus/record.js';
export { isRecord, newRecord, type Value, type ValueList, type ValueRecord } from '../../bus/value.js';
export type { CursorCandidate, Described, DescribedField, DescribedIndex, Listed, Reference } from './catalogue.js';
export { CUSTODY_NOTES, type CustodyRequest, FILE_STATES, type FileCustody, type FileState, type Sighting } from './custody.js';
export type {
  Accept,
  Accepted,
  Batch,
  Callable,
  ConnectedSystem,
  Delivery,
  EndpointContext,
  Inbound,
  ListeningInbound,
  Outbound,
  PollingInbound,
  PollRequest,
  ProbeStep,
  Provision,
  ProvisionRequest,
  Receipt,
  Settlement,
  Verification,
} from './endpoint.js';
export { CLOCK, HTTP_HOST, inject, injectable, LOGGER, token } from './injection.js';
export { byteSize, duration, identifier, parseDuration, secret } from './options.js';
export { Secret } from './secret.js';
export type { Clock, EndpointState, HttpHost, HttpReply, HttpRequest, HttpRoute, LogFields, Logger } from './services.js';
export {
  type Adapter,
  type AdapterClass,
  type AdapterSpec,
  CONTRACT,
  defineAdapter,
  type EndpointSpec,
  type FieldType,
  type FieldTypes,
  type InboundSpec,
  type OutboundSpec,
  type ServerIdentity,
  type SpecFinding,
} from './spec.js';
export { parseTemplate, type Template } from './template.js';
