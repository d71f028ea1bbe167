/** Three peers that are in touch, with rounds a second apart: what tests of rounds, fences and alarms begin with. */
import type { Message } from '../../src/core/messages.ts';
import { defaultSettings, type CoreSettings } from '../../src/core/settings.ts';
import { Cluster, type Sent } from './cluster.ts';

export const THREE = ['alpha', 'beta', 'gamma'];
export const QUICK: CoreSettings = { ...defaultSettings, gcIntervalMs: 1000 };

export function three(settings = QUICK, isEstablished = true): Cluster {
  const cluster = new Cluster(THREE, 1, settings, isEstablished);
  cluster.run(1000);
  return cluster;
}

/** What was sent of one kind, by one peer or by all. */
export function sent(cluster: Cluster, kind: Message['kind'], from?: string): Sent[] {
  return cluster.sent.filter((one) => one.message.kind === kind && (from === undefined || one.from === from));
}
