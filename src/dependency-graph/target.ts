/** `<service>.<namespace>[:<port>]` of a stored edge: its form was checked before it was folded. */
export const splitTarget = (to: string): { readonly service: string; readonly port: number | undefined } => {
  const colon = to.indexOf(':');
  return colon < 0
    ? { service: to, port: undefined }
    : { service: to.slice(0, colon), port: Number(to.slice(colon + 1)) };
};
