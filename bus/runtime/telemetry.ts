import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600];

/**
 * The metrics of one process. Names are stable; labels are names of the configuration, never an id, a key or a file name,
 * so their number is bounded.
 */
export class Telemetry {
  readonly registry = new Registry();
  readonly received = this.counter('signalbox_messages_received_total', 'Records accepted from a source', ['system', 'source']);
  readonly duplicates = this.counter('signalbox_messages_duplicate_total', 'Records that had been accepted before', ['system', 'source']);
  readonly filtered = this.counter('signalbox_messages_filtered_total', 'Records a route did not want', ['route']);
  readonly delivered = this.counter('signalbox_messages_delivered_total', 'Deliveries made', ['route', 'rule', 'system']);
  readonly failed = this.counter('signalbox_messages_failed_total', 'Messages put into the dead letters', ['route', 'rule', 'code']);
  readonly attempts = this.counter('signalbox_delivery_attempts_total', 'Calls of targets', ['endpoint', 'result']);
  readonly deliverySeconds = this.histogram('signalbox_delivery_duration_seconds', 'Time one call of a target took', ['endpoint']);
  readonly endToEndSeconds = this.histogram('signalbox_end_to_end_seconds', "From the message's time to its delivery", ['endpoint']);
  readonly recycled = this.counter('signalbox_watchdog_recycled_total', 'Endpoints that hung and were made anew', ['endpoint', 'reason']);
  readonly consumerPresent = this.gauge('signalbox_consumer_present', '1 when the broker knows the consumer of a target, 0 when it does not', ['endpoint']);
  readonly oldestUnsettled = this.gauge('signalbox_oldest_unsettled_seconds', 'How long the oldest message in hand has been there', ['endpoint']);
  readonly targetSuccess = this.gauge('signalbox_target_last_success_timestamp_seconds', 'Last delivery', ['endpoint']);
  readonly sourceSuccess = this.gauge('signalbox_source_last_success_timestamp_seconds', 'Last good poll or call', ['system', 'source']);
  readonly systemUp = this.gauge('signalbox_system_up', '1 when the last contact worked, 0 when it failed', ['system']);
  readonly backlog = this.gauge('signalbox_backlog_messages', 'Messages waiting for a target', ['endpoint']);
  readonly backlogOldest = this.gauge('signalbox_backlog_oldest_seconds', 'Age of the oldest message waiting for a target', ['endpoint']);
  readonly sourceSilent = this.gauge('signalbox_source_silent', '1 when a source that should have spoken did not', ['system', 'source']);
  readonly deadLetters = this.gauge('signalbox_dead_letters', 'Open dead letters', ['endpoint', 'code']);
  readonly parkedKeys = this.gauge('signalbox_parked_keys', 'Keys of an order that wait for a person, or deliveries parked alone', ['endpoint']);
  readonly parked = this.gauge('signalbox_parked_deliveries', 'Deliveries that are parked', ['endpoint']);
  readonly unknownOutcomes = this.gauge('signalbox_unknown_outcomes', 'Deliveries of which nobody knows whether the target has them', ['endpoint']);
  readonly configInfo = this.gauge('signalbox_config_info', 'Revision that runs', ['revision']);
  readonly reloadSuccess = this.gauge('signalbox_config_reload_success', '1 when the last reload was applied', []);
  readonly storeBytes = this.gauge('signalbox_store_bytes', 'Size of the store on disk', []);

  constructor(version: string) {
    this.gauge('signalbox_build_info', 'Version that runs', ['version']).set({ version }, 1);
    // What runs at the start has been loaded without an error; a refused reload says otherwise.
    this.reloadSuccess.set(1);
    collectDefaultMetrics({ register: this.registry });
  }

  private counter(name: string, help: string, labelNames: string[]): Counter {
    return new Counter({ name, help, labelNames, registers: [this.registry] });
  }

  private gauge(name: string, help: string, labelNames: string[]): Gauge {
    return new Gauge({ name, help, labelNames, registers: [this.registry] });
  }

  private histogram(name: string, help: string, labelNames: string[]): Histogram {
    return new Histogram({ name, help, labelNames, registers: [this.registry], buckets: SECONDS });
  }
}

/** `legacy` of `legacy.orders`. */
export function systemOf(endpoint: string): string {
  return endpoint.slice(0, endpoint.indexOf('.'));
}
