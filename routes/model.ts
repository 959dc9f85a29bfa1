export type TypeConfig = unknown;
export type TableConfig = unknown;
export type RouteConfig = unknown;
export type TestConfig = unknown;
export type DefaultsConfig = unknown;
