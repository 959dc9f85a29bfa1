import type { RouteConfig } from '../routes/model.js';
import type { Configuration } from './configuration.js';

/** What `routes list` and the console show of a route. */
export interface RouteSummary {
  readonly name: string;
  readonly direction: 'inbound' | 'outbound';
  /** Inbound: the endpoint it reads; outbound: the type it subscribes to. */
  readonly from: string;
  /** Inbound: the type it publishes; outbound: the endpoints its rules deliver to. */
  readonly to: readonly string[];
  readonly place: string | undefined;
  readonly rules: readonly { readonly name: string; readonly when: string | undefined; readonly to: string; readonly place: string | undefined }[];
}

export function routeSummaries({ routing }: Configuration): readonly RouteSummary[] {
  return Object.entries(routing.routes).map(([name, route]) => summary(name, route, routing.placeOf));
}

function summary(name: string, route: RouteConfig, placeOf: Configuration['routing']['placeOf']): RouteSummary {
  const place = placeOf(['routes', name]);
  if ('from' in route) return { name, direction: 'inbound', from: route.from, to: [route.publish], place, rules: [] };
  const rules = route.deliver.map((rule, index) => ({ name: rule.name, when: rule.when, to: rule.to, place: placeOf(['routes', name, 'deliver', index]) }));
  return { name, direction: 'outbound', from: route.subscribe, to: [...new Set(rules.map(({ to }) => to))], place, rules };
}
