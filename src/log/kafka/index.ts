/** The log on Kafka. */
export { type KafkaSettings, parseKafkaAddress, SASL_MECHANISMS, type SaslMechanism } from './settings.ts';
