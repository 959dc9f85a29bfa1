import { brokerConformance } from '../../kit/broker/index.js';
import { rabbitmq } from './harness.js';

brokerConformance('RabbitMQ', rabbitmq);
