/** Online Boutique: who calls whom, and on which port, as the Kubernetes manifests of GoogleCloudPlatform/microservices-demo declare it. */

/** Service -> port, protocol. The load generator calls and is not called; it is given a port here, so that it is a service like the others. */
export const BOUTIQUE_SERVICES: readonly (readonly [name: string, port: number, protocol: 'http' | 'grpc' | 'tcp'])[] =
  [
    ['frontend', 80, 'http'],
    ['adservice', 9555, 'grpc'],
    ['currencyservice', 7000, 'grpc'],
    ['cartservice', 7070, 'grpc'],
    ['redis-cart', 6379, 'tcp'],
    ['recommendationservice', 8080, 'grpc'],
    ['checkoutservice', 5050, 'grpc'],
    ['emailservice', 5000, 'grpc'],
    ['paymentservice', 50051, 'grpc'],
    ['shippingservice', 50051, 'grpc'],
    ['productcatalogservice', 3550, 'grpc'],
    ['loadgenerator', 80, 'http'],
  ];

/** Caller -> callees. Redis is TCP, which no host is asked for: the cart's call to it has no virtual host and is left out. */
export const BOUTIQUE_CALLS: Readonly<Record<string, readonly string[]>> = {
  loadgenerator: ['frontend'],
  frontend: [
    'productcatalogservice',
    'currencyservice',
    'cartservice',
    'recommendationservice',
    'shippingservice',
    'checkoutservice',
    'adservice',
  ],
  recommendationservice: ['productcatalogservice'],
  checkoutservice: [
    'productcatalogservice',
    'shippingservice',
    'paymentservice',
    'emailservice',
    'currencyservice',
    'cartservice',
  ],
};
