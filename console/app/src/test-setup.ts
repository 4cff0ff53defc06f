// jsdom has neither; Mantine asks for both.
import { vi } from 'vitest';

vi.stubGlobal('matchMedia', (media: string) => ({
  matches: false, media, onchange: null, addEventListener() {}, removeEventListener() {}, addListener() {}, removeListener() {}, dispatchEvent: () => false,
}));
vi.stubGlobal('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} });
