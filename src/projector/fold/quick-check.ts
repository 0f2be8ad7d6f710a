/**
 * Fast acceptance of the three endpoint events that make up nearly all traffic. `true` means: the data fits its schema and all
 * rules of `data-rules.ts` (a property test holds it to that). `false` means only: look closer.
 */

type Fields = Readonly<Record<string, unknown>>;

const isLabel = (value: unknown): boolean => {
  if (typeof value !== 'string') return false;
  const last = value.length - 1;
  if (last < 0 || last > 62) return false;
  for (let at = 0; at <= last; at += 1) {
    const code = value.charCodeAt(at);
    if ((code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39)) continue;
    if (code !== 0x2d || at === 0 || at === last) return false;
  }
  return true;
};

/** Printable ASCII of 0..max characters. */
const isPlain = (value: unknown, max: number): value is string => {
  if (typeof value !== 'string' || value.length > max) return false;
  for (let at = 0; at < value.length; at += 1) {
    const code = value.charCodeAt(at);
    if (code < 0x20 || code > 0x7e) return false;
  }
  return true;
};

const isIpv4 = (value: unknown): boolean => {
  if (typeof value !== 'string' || value.length > 15) return false;
  let octets = 0;
  let digits = 0;
  let octet = 0;
  for (let at = 0; at <= value.length; at += 1) {
    const code = at === value.length ? 0x2e : value.charCodeAt(at);
    if (code === 0x2e) {
      if (digits === 0 || octet > 255) return false;
      octets += 1;
      digits = 0;
      octet = 0;
    } else {
      if (code < 0x30 || code > 0x39 || (digits > 0 && octet === 0)) return false;
      octet = octet * 10 + code - 0x30;
      digits += 1;
      if (digits > 3) return false;
    }
  }
  return octets === 4;
};

/** Whole numbers 1..65535 in their only written form. */
const isPortKey = (key: string): boolean => {
  if (key.length < 1 || key.length > 5 || key.charCodeAt(0) === 0x30) return false;
  let value = 0;
  for (let at = 0; at < key.length; at += 1) {
    const code = key.charCodeAt(at);
    if (code < 0x30 || code > 0x39) return false;
    value = value * 10 + code - 0x30;
  }
  return value <= 65535;
};

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isWhole = (value: unknown, low: number, high: number): boolean =>
  typeof value === 'number' && value >= low && value <= high && Math.floor(value) === value;

const isPortMap = (value: unknown): boolean => {
  if (!isObject(value)) return false;
  let size = 0;
  for (const key in value) {
    size += 1;
    if (size > 64 || !isPortKey(key) || !isWhole(value[key], 1, 65535)) return false;
  }
  return true;
};

const isLabelMap = (value: unknown): boolean => {
  if (!isObject(value)) return false;
  let size = 0;
  for (const key in value) {
    size += 1;
    if (size > 64 || key.length < 1 || !isPlain(key, 63) || !isPlain(value[key], 256)) return false;
    if (key === '__proto__' || key === 'constructor' || key === 'prototype') return false;
  }
  return true;
};

const isLocality = (value: unknown): boolean => {
  if (!isObject(value)) return false;
  for (const key in value) {
    if ((key !== 'region' && key !== 'zone' && key !== 'subzone') || !isPlain(value[key], 128)) return false;
  }
  return true;
};

const isHealth = (value: unknown): boolean => value === 'healthy' || value === 'unhealthy' || value === 'draining';

const isId = (value: unknown): boolean => isPlain(value, 256) && value.length > 0;

/** Data of `endpoint.registered`. */
export const isPlainEndpoint = (data: unknown): boolean => {
  if (!isObject(data)) return false;
  let required = 0;
  for (const key in data) {
    const value = data[key];
    let good: boolean;
    switch (key) {
      case 'namespace':
      case 'service':
        required += 1;
        good = isLabel(value);
        break;
      case 'id':
        required += 1;
        good = isId(value);
        break;
      case 'address':
        required += 1;
        good = isIpv4(value);
        break;
      case 'ports':
      case 'inbound':
        good = isPortMap(value);
        break;
      case 'labels':
        good = isLabelMap(value);
        break;
      case 'locality':
        good = isLocality(value);
        break;
      case 'weight':
        good = isWhole(value, 0, 65535);
        break;
      case 'health':
        good = isHealth(value);
        break;
      case 'serviceAccount':
        good = isLabel(value);
        break;
      default:
        good = false;
    }
    if (!good) return false;
  }
  return required === 4;
};

/** Data of `endpoint.deregistered`, `endpoint.expired` and, with `health`, of `endpoint.health-changed`. */
export const isPlainEndpointRef = (data: unknown, withHealth: boolean): boolean => {
  if (!isObject(data)) return false;
  let required = 0;
  for (const key in data) {
    const value = data[key];
    if (key === 'namespace' || key === 'service') {
      if (!isLabel(value)) return false;
    } else if (key === 'id') {
      if (!isId(value)) return false;
    } else if (key !== 'health' || !withHealth || !isHealth(value)) return false;
    required += 1;
  }
  return required === (withHealth ? 4 : 3);
};
