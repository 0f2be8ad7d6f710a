/** The transport on grpc-js keeps the contract of transports. */

import { createGrpcTransport } from '../../src/delta-xds/grpc-transport.ts';
import { transportContract } from '../contracts/transport.ts';

transportContract('grpc-js', createGrpcTransport, false);
